"""A long run: fifty tunnels, random faults of all kinds, and a model of what should be true."""
