"""Who acts: starts, stops, cleans up and applies changes."""
