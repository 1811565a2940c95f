"""The version of the package, which model directories record; a module of its own, so that all others may import it."""

__version__ = "0.1.0"
