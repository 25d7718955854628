"""What the keys of a tunnel may be."""
