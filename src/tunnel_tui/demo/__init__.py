"""Tunnels that really run, without anything to set up: embedded SSH servers."""
