"""The text of a draft as its page shows it: which lines a step has, and what is written beside a value as its evidence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assembler.document import steps_by_line
from assembler.profile import Profile

__all__ = ["Row", "remark_at", "rows_of", "step_lines"]

_SECTION = re.compile(r"(prologue|steps):\s*(?:#.*)?")
_ITEM = re.compile(r"( *)- ")
_ID = re.compile(r"""[ -]*\bid: *(?:"([^"\\]*)"|'([^']*)'|([^\s#"']+))\s*(?:#.*)?""")


@dataclass(frozen=True)
class Row:
    """A line of the document: its number, what it says, and the remark beside it."""

    number: int
    text: str
    remark: str


def step_lines(text: str, profile: Profile) -> Mapping[str, range]:
    """The lines of each step (from 1), with the remarks above it.

    The way the assembler writes a draft is read at a glance; one that somebody wrote in another way is parsed.
    """
    wanted = [step.id for step in [*profile.prologue, *profile.steps]]
    rows = text.split("\n")
    found = _at_a_glance(rows)
    if [name for name, _ in found] != wanted:
        found = [(name, lines) for lines, name in steps_by_line(text)]
    return {name: _with_remarks(rows, lines) for name, lines in found}


def _at_a_glance(rows: Sequence[str]) -> list[tuple[str, range]]:
    """Id and lines of each item of `prologue` and `steps`, where they are lists in block style."""
    found: list[tuple[str, range]] = []
    indent, begun, name, within = "", 0, "", False
    for number, row in enumerate([*rows, "end:"], 1):
        top = bool(row) and row[0] not in " #-\r"
        item = _ITEM.match(row) if within else None
        starts = item is not None and (not begun or item[1] == indent)
        if begun and (top or starts):
            found.append((name, range(begun, number)))
            begun, name = 0, ""
        if top:
            within = _SECTION.fullmatch(row.rstrip("\r")) is not None
        elif starts and item is not None:
            indent, begun = item[1], number
        if begun and not name and len(row) - len(row.lstrip(" -")) == len(indent) + 2 and (told := _ID.match(row)):
            name = next(part for part in told.groups() if part is not None)
    return found


def _with_remarks(rows: Sequence[str], lines: range) -> range:
    """The remarks above a step are its own, those above the next one are not."""
    first, last = lines.start, lines.stop
    while first > 1 and rows[first - 2].lstrip().startswith("#"):
        first -= 1
    while last - 1 > first and (not rows[last - 2].strip() or rows[last - 2].lstrip().startswith("#")):
        last -= 1
    return range(first, last)


def rows_of(rows: Sequence[str], lines: range) -> list[Row]:
    """These lines, each with its remark apart."""
    found = []
    for number in lines:
        row = rows[number - 1]
        at = remark_at(row)
        found.append(Row(number, row[:at].rstrip() if row[:at].strip() else row[:at], row[at:].strip()))
    return found


def remark_at(row: str) -> int:
    """Where the remark of a line begins; its length where it has none. Lines of block scalars have none that count."""
    quote = ""
    for at, character in enumerate(row):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'" and (at == 0 or row[at - 1] in " [{,:-"):
            quote = character
        elif character == "#" and (at == 0 or row[at - 1] in " \t"):
            return at
    return len(row)
