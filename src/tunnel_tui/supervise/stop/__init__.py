"""One way to stop."""
