"""The parts of scripts/benchmark, one module per measurement; their results are plain dictionaries, stored as JSON."""
