"""What we know of OpenSSH, and nothing of our processes."""
