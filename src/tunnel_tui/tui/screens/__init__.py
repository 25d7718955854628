"""Screens arrange widgets."""
