"""What tunnel-tui takes, each figure measured beside its floor in the same run.

`python -m benchmarks docs/figures` (or `make bench`) measures everything and writes the table.
"""
