"""Logins, the masters that carry tunnels, and those left behind."""
