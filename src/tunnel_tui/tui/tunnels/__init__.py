"""Start, stop and restart, one and many."""
