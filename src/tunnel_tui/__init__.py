"""tunnel-tui: see, start, stop and log in to every SSH tunnel of a machine."""

__version__ = "0.1.0"
