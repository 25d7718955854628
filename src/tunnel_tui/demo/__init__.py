"""The demo: SSH servers of its own, believable tunnels, and nothing left when it ends."""
