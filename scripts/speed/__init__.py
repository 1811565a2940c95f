"""The parts of scripts/benchmark, one measurement each: they answer plain dictionaries, which become JSON."""
