"""What the generated pages are made of: tables of Markdown, and the refusal to leave something out."""

from __future__ import annotations

__all__ = ["GENERATED", "Undescribed", "cell", "row", "table"]

GENERATED = "<!-- Written by scripts/docs.py (`make reference`); change the code instead. -->"


class Undescribed(LookupError):
    """Something in the code that the pages would have to say, and cannot."""


def cell(text: object) -> str:
    """`text` as it may stand in a table of Markdown."""
    parts = " ".join(str(text).split()).replace("|", "\\|").split("`")
    return "`".join(part if index % 2 else part.replace("<", "&lt;") for index, part in enumerate(parts))


def table(*columns: str) -> str:
    """The head of a table."""
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n"


def row(*cells: str) -> str:
    """A line of it."""
    return f"| {' | '.join(cells)} |\n"
