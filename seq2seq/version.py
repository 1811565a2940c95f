"""The version of the package, which model directories record; alone, so that everything may import it."""

__version__ = "0.1.0"
