"""Processes of tunnels: found, ended; ports and locks they need."""
