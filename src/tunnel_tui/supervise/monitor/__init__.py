"""Sees changes, hands out snapshots."""
