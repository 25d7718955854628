"""Logging in: the prompt in the lower pane."""
