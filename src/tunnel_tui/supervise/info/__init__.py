"""What is told of one tunnel, and who else is there."""
