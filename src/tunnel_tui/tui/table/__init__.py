"""The table of tunnels: rows, columns, filter, tree."""
