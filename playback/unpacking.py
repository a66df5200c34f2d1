"""Compares two bodies by what they hold (`packed`): the same parts, each an answer of its own kind."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

from playback.packed import Part, read_parts

if TYPE_CHECKING:
    from playback.answers import Comparer

__all__ = ["compare_encoded", "compare_parts"]

_MAGIC = ("UEsDB", "JVBERi0", "H4sI")
"""How a zip, a PDF and a gzip begin in base64."""

_DEEPEST = 3
"""Archives within archives that are opened."""

_LARGE = 16 << 10
"""Bytes from which on equal parts (styles, themes, fonts) are not searched for values that should have changed."""


def compare_parts(comparer: Comparer, recorded: bytes, live: bytes) -> bool:
    """Compare two bodies by their parts. False where they cannot be read so: then their bytes must be equal."""
    if comparer.within.count(" » ") >= _DEEPEST or (expected := read_parts(recorded)) is None:
        return False
    if (actual := read_parts(live)) is None:
        return False
    pairs = _paired(comparer, expected, actual)
    if pairs is None:
        comparer.value("body:members", [part.name for part in expected], [part.name for part in actual])
        return True
    opened: list[Comparer] = []
    for was, now in pairs:
        if was.content == now.content and len(now.content) > _LARGE:
            comparer.masked.compared += 1
            continue
        one = replace(comparer, within=f"{comparer.within}{was.name} » ", _owed=[], _clocks=[], shown=[])
        one.body(was.media_type, was.content, now.content)
        opened.append(one)
    for one in opened:
        one.settle()
    return True


def compare_encoded(comparer: Comparer, where: str, recorded: str, live: str) -> bool:
    """The same for two texts that hold such a body in base64, as a data URL or without. False where they do not."""
    head, comma, encoded = recorded.rpartition(",")
    if recorded == live or not encoded.startswith(_MAGIC) or not live.startswith(head + comma):
        return False
    try:
        bodies = [base64.b64decode(text) for text in (encoded, live[len(head + comma) :])]
    except ValueError:
        return False
    inside = replace(comparer, within=f"{comparer.within}{where.removeprefix('body:')} » ", _owed=[], _clocks=[], shown=[])
    return compare_parts(inside, *bodies)


def _paired(comparer: Comparer, recorded: list[Part], live: list[Part]) -> list[tuple[Part, Part]] | None:
    """Which part is which: by name, others in their order where their names correspond. None where some have none."""
    by_name = {part.name: part for part in live}
    names = {part.name for part in recorded}
    others = [part for part in live if part.name not in names]
    unnamed = [part for part in recorded if part.name not in by_name]
    if len(recorded) != len(live) or len(others) != len(unnamed) or len(by_name) != len(live):
        return None
    for was, now in zip(unnamed, others, strict=True):
        comparer.text("body:members", was.name, now.name)
    return [(part, by_name[part.name]) for part in recorded if part.name in by_name] + list(zip(unnamed, others, strict=True))
