"""What the app needs of an engine, and the live one."""
