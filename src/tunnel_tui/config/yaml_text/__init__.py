"""YAML text and its tree: places, quoting, splicing."""
