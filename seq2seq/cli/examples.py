"""Help that teaches by example: every command names a few complete command lines, which the tests parse."""

from __future__ import annotations


def epilog(examples: str) -> str:
    """The end of a help page: command lines as they are typed, with nothing read as markup."""
    body = examples.strip("\n").replace("[", r"\[")
    return f"[bold]Examples[/bold]\n\n{body}"
