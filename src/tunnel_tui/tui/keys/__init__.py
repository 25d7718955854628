"""Keys: which do what, in which order they act, when they may."""
