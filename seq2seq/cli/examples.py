"""The examples at the end of each help page: complete command lines, which the tests run through the parser."""

from __future__ import annotations


def epilog(examples: str) -> str:
    """Return the end of a help page: command lines as they are typed, with markup escaped."""
    body = examples.strip("\n").replace("[", r"\[")
    return f"[bold]Examples[/bold]\n\n{body}"
