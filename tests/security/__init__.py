"""Attacks: by a server, by another local user, by the length of what they write."""
