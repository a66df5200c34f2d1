"""What was expected beside what came: lines of text, a tree of JSON, rows of a table. Bounded, whatever it is given."""

from __future__ import annotations

import csv
import difflib
import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from assembler.shapes import SECRET
from playback.redact import HIDDEN

__all__ = ["Line", "Node", "Sides", "of_diff", "sides"]

_LINES = 3000  # of either side that are compared; difflib is quadratic at worst
_SHOWN = 400  # rows that anybody reads
_CONTEXT = 3
_LONG = 600  # characters of a line or a value
_NODES = 1500  # of a tree
_WIDE = 40  # columns of a table
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")

Pieces = list[tuple[str, bool]]
"""A text in parts; True: this part differs."""


@dataclass(frozen=True)
class Line:
    """A row of a comparison. `kind`: `same`, `changed`, `gone`, `new`, `gap`."""

    kind: str
    left_number: int | None = None
    left: Pieces = field(default_factory=list)
    right_number: int | None = None
    right: Pieces = field(default_factory=list)


@dataclass
class Node:
    """A place in two JSON documents. `kind`: `same`, `changed`, `gone`, `new`; `open` where something below differs."""

    key: str
    kind: str
    left: str | None
    right: str | None
    children: list[Node] = field(default_factory=list)
    open: bool = False
    summary: str = ""


@dataclass(frozen=True)
class Sides:
    """One comparison, in the form that fits what is compared; the others are empty."""

    lines: list[Line] = field(default_factory=list)
    tree: Node | None = None
    head: list[str] = field(default_factory=list)
    table: list[Line] = field(default_factory=list)
    cells: list[list[tuple[str, str, bool]]] = field(default_factory=list)
    """Rows of a table: expected, actual, and whether they differ."""
    rows: list[str] = field(default_factory=list)
    """The number of each of those rows."""
    cut: str = ""
    """What is not shown."""

    def __bool__(self) -> bool:
        return bool(self.lines or self.tree or self.cells)


def sides(expected: str, actual: str, *, named: str = "", differing: Iterable[str] | None = None) -> Sides:
    """Two texts side by side: as JSON where both are, as a table where `named` ends so, else line by line.

    `differing` are the JSON pointers at which the comparison found a difference; None: wherever values differ.
    """
    left, right = _json(expected), _json(actual)
    if isinstance(left, (dict, list)) and isinstance(right, (dict, list)):
        places = None if differing is None else list(differing)
        return Sides(tree=_node("", left, right, "", places, itertools.count()))
    if named.endswith((".csv", ".tsv")) and (
        table := _table(expected, actual, "\t" if named.endswith(".tsv") else ",")
    ):
        return table
    return _text(expected.splitlines(), actual.splitlines())


# ---------------------------------------------------------------------- text


def of_diff(lines: Sequence[str]) -> Sides:
    """A unified diff as two columns."""
    found: list[Line] = []
    hunk: list[Line] = []
    gone: list[tuple[int, str]] = []
    new: list[tuple[int, str]] = []
    left = right = 0

    def flush() -> None:
        hunk.extend(_paired(gone, new))
        gone.clear()
        new.clear()

    def close() -> None:
        """What differs in nothing but how a secret is hidden is no difference."""
        flush()
        if any(line.kind != "same" for line in hunk):
            found.extend([Line("gap"), *hunk] if found else hunk)
        hunk.clear()

    for line in lines:
        if line.startswith(("--- ", "+++ ")) and not left:
            continue
        if place := _HUNK.match(line):
            close()
            left, right = int(place[1]), int(place[2])
        elif line.startswith("-"):
            gone.append((left, line[1:]))
            left += 1
        elif line.startswith("+"):
            new.append((right, line[1:]))
            right += 1
        elif line.startswith(" ") or not line:
            flush()
            text = [(_cut(_veiled(line[1:])), False)]
            hunk.append(Line("same", left, text, right, text))
            left, right = left + 1, right + 1
    close()
    cut = "The beginning; the download has all of it." if lines and lines[-1].startswith("… ") else ""
    return Sides(lines=found[:_SHOWN], cut=cut or _more(len(found)))


def _text(left: list[str], right: list[str]) -> Sides:
    cut = ""
    if max(len(left), len(right)) > _LINES:
        left, right, cut = left[:_LINES], right[:_LINES], f"Only the first {_LINES} lines of each are compared here."
    diff = list(difflib.unified_diff(left, right, n=_CONTEXT, lineterm=""))
    shown = of_diff(diff)
    return Sides(lines=shown.lines, cut=shown.cut or cut)


def _paired(gone: Sequence[tuple[int, str]], new: Sequence[tuple[int, str]]) -> Iterator[Line]:
    for was, now in itertools.zip_longest(gone, new):
        if was is None:
            yield Line("new", None, [], now[0], [(_cut(now[1]), False)])
        elif now is None:
            yield Line("gone", was[0], [(_cut(was[1]), False)])
        elif _veiled(was[1]) == _veiled(now[1]):
            text = [(_cut(_veiled(now[1])), False)]
            yield Line("same", was[0], text, now[0], text)
        else:
            left, right = marked(_veiled(was[1]), _veiled(now[1]))
            yield Line("changed", was[0], left, now[0], right)


def _veiled(line: str) -> str:
    """A line in which a secret is as hidden as the report has it: its pseudonym says nothing to anybody."""
    return SECRET.sub(HIDDEN, line)


def marked(left: str, right: str) -> tuple[Pieces, Pieces]:
    """Two lines with what differs between their common beginning and end marked."""
    left, right = _around(left, right), _around(right, left)
    shortest = min(len(left), len(right))
    start = next((n for n in range(shortest) if left[n] != right[n]), shortest)
    end = next((n for n in range(shortest - start) if left[-1 - n] != right[-1 - n]), shortest - start)

    def pieces(text: str) -> Pieces:
        middle = len(text) - end
        return [
            (part, at)
            for part, at in ((text[:start], False), (text[start:middle], True), (text[middle:], False))
            if part
        ]

    return pieces(left), pieces(right)


def _around(text: str, other: str) -> str:
    """`text`, or what is around the first difference where it is long."""
    if len(text) <= _LONG:
        return text
    first = next((n for n, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), 0)
    start = max(0, first - 80)
    return ("…" if start else "") + text[start : start + _LONG] + "…"


def _cut(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def _more(number: int) -> str:
    return f"The first {_SHOWN} of {number} rows." if number > _SHOWN else ""


# ---------------------------------------------------------------------- JSON


def _json(text: str) -> Any:
    """The document in `text`; None where there is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


_ABSENT = object()


def _node(key: str, left: Any, right: Any, at: str, differing: list[str] | None, counter: Iterator[int]) -> Node:
    if left is _ABSENT:
        return _leaf(key, "new", None, right)
    if right is _ABSENT:
        return _leaf(key, "gone", left, None)
    for kind, brackets in ((dict, "{}"), (list, "[]")):
        if isinstance(left, kind) and isinstance(right, kind) and (left or right):
            return _container(key, left, right, at, differing, counter, brackets)
    differs = _unequal(left, right) and (differing is None or any(_concerns(place, at) for place in differing))
    return _leaf(key, "changed" if differs else "same", left, right)


def _leaf(key: str, kind: str, left: Any, right: Any) -> Node:
    return Node(key, kind, None if kind == "new" else _value(left), None if kind == "gone" else _value(right))


def _container(
    key: str, left: Any, right: Any, at: str, differing: list[str] | None, counter: Iterator[int], brackets: str
) -> Node:
    if isinstance(left, dict):
        names = [*left, *(name for name in right if name not in left)]
        pairs = [(str(n), left.get(n, _ABSENT), right.get(n, _ABSENT)) for n in names]
    else:
        pairs = [(str(n), a, b) for n, (a, b) in enumerate(itertools.zip_longest(left, right, fillvalue=_ABSENT))]
    node = Node(key, "same", None, None, summary=f"{brackets[0]}{len(pairs)}{brackets[1]}")
    left_out = 0
    for name, was, now in pairs:
        place = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
        if next(counter) > _NODES or at.count("/") > 40:
            left_out += 1
            continue
        child = _node(name, was, now, place, differing, counter)
        node.children.append(child)
        node.open = node.open or child.open or child.kind != "same"
    if left_out:
        node.children.append(Node("…", "same", f"{left_out} more", f"{left_out} more"))
    return node


def _concerns(place: str, at: str) -> bool:
    return place == at or at.startswith(f"{place}/") or place.startswith(f"{at}/")


def _unequal(left: Any, right: Any) -> bool:
    return type(left) is not type(right) or left != right


def _value(value: Any) -> str:
    return _cut(json.dumps(value, ensure_ascii=False))


# ---------------------------------------------------------------------- tables


def _table(expected: str, actual: str, separator: str) -> Sides | None:
    """The rows that differ, each with its cells in pairs; None for what is no table with a head."""
    try:
        left, right = (list(csv.reader(io.StringIO(text), delimiter=separator)) for text in (expected, actual))
    except csv.Error:
        return None
    if not left or not right or len(left[0]) < 2 or left[0] != right[0] or len(left[0]) > _WIDE:
        return None
    cells: list[list[tuple[str, str, bool]]] = []
    rows: list[str] = []
    number_of_rows = 0
    nothing: list[str] = []
    for number, (was, now) in enumerate(itertools.zip_longest(left[1:], right[1:], fillvalue=nothing), 2):
        if was == now:
            continue
        number_of_rows += 1
        if len(cells) < _SHOWN // 2:
            pairs = itertools.zip_longest(was, now, fillvalue="")
            cells.append([(_cut(a), _cut(b), a != b) for a, b in pairs][:_WIDE])
            rows.append(str(number))
    cut = f"The first {len(cells)} of {number_of_rows} rows that differ." if number_of_rows > len(cells) else ""
    return Sides(head=left[0], cells=cells, rows=rows, cut=cut)
