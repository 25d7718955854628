"""An embedded terminal: PTY session, screen model, key encoding."""
