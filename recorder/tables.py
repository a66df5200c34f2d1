"""Tables as text: columns whose head is the name of a secret (CSV as in RFC 4180; tabs, semicolons and bars, too)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

__all__ = ["cells", "secret_columns"]

_HEAD = 4096  # characters of a first line that may be the head of a table
_NAMED = re.compile(r"[\w .()/-]{1,64}")
_CELLS = {
    mark: re.compile(rf'"((?:[^"]|"")*+)"|([^"{re.escape(mark)}\r\n][^{re.escape(mark)}\r\n]*+)?') for mark in ",;\t|"
}


def secret_columns(text: str, kind: Callable[[str], str | None]) -> tuple[str, int, dict[int, str]] | None:
    """Return what separates the cells of a table, how many are in a line, and which of them are what kind of secret.

    None where the text is no table, or none that holds any.
    """
    end = text.find("\n", 0, _HEAD)
    if end < 0:
        return None
    head = text[:end].rstrip("\r").lstrip("\ufeff")
    for mark in _CELLS:
        names = [name.strip().strip('"') for name in head.split(mark)]
        if len(names) > 1 and all(map(_NAMED.fullmatch, names)):
            found = {at: what for at, name in enumerate(names) if (what := kind(name)) is not None}
            return (mark, len(names), found) if found else None
    return None


def cells(text: str, mark: str, count: int, columns: dict[int, str]) -> Iterator[tuple[int, int, str, str]]:
    """Yield (start, end, value, kind) of the secret cells in the lines below the head."""
    cell, at, line = _CELLS[mark], text.find("\n") + 1, list[tuple[int, int, str]]()
    while at < len(text):
        found = cell.match(text, at)
        assert found is not None  # it matches nothing, too
        group = 1 if found[1] is not None else 2
        value = found[group] or ""
        line.append((*found.span(group), value.replace('""', '"') if group == 1 else value))
        at = found.end()
        if text[at : at + 1] == mark:
            at += 1
            continue
        if len(line) == count:
            yield from ((start, end, value, columns[n]) for n, (start, end, value) in enumerate(line) if n in columns)
        line = []
        following = text.find("\n", at)
        at = following + 1 if following >= 0 else len(text)
