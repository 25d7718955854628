"""The wish: which tunnels a person wants, as the configuration file says."""
