"""Toasts."""
