"""Marks on a text: stretches that must not be written, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypedDict

__all__ = ["Mark", "Redaction", "located", "merged", "replaced"]


class Redaction(TypedDict):
    """One replaced value: where it stands, and what stands there now."""

    pointer: str
    pseudonym: str


class Mark(NamedTuple):
    """A stretch of text that must not be written, what to write instead, and the pseudonyms in that."""

    start: int
    end: int
    text: str
    pseudonyms: tuple[str, ...]


def merged(marks: list[Mark]) -> list[Mark]:
    """Return the marks in order, without overlap: of two that overlap, what is covered by either is replaced."""
    result: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: (mark.start, -mark.end)):
        if not result or mark.start >= result[-1].end:
            result.append(mark)
        elif mark.end > result[-1].end:
            result[-1] = result[-1]._replace(end=mark.end)
    return result


def located(marks: list[Mark], place: Callable[[int], str | None] = lambda at: None, shift: int = 0) -> list[Redaction]:
    """Return where the pseudonyms stand once the marks are replaced.

    `place` names the field or value at an offset of the old text; where it has no name, the pointer is `/@<offset>` in
    the new text, which is `shift` characters further on when the text is a piece of a longer one.
    """
    redactions: list[Redaction] = []
    for mark in marks:
        where = place(mark.start)
        for pseudonym in mark.pseudonyms:
            at = mark.start + shift + mark.text.find(pseudonym)
            redactions.append({"pointer": f"/@{at}" if where is None else where, "pseudonym": pseudonym})
        shift += len(mark.text) - (mark.end - mark.start)
    return redactions


def replaced(text: str, marks: list[Mark], position: int = 0) -> str:
    """Return the text from a position on, with the marked stretches replaced."""
    parts: list[str] = []
    for mark in marks:
        parts += [text[position : mark.start], mark.text]
        position = mark.end
    parts.append(text[position:])
    return "".join(parts)
