"""What commands, app and browser call."""
