"""`tabular_diff`: the same columns and rows of a delimited text file, cell by cell.

    params:
      key: [outlet, year]          # rows are matched by these columns; without it by position
      tolerance:                   # or one for all columns; a column not listed must be equal
        runoff: 0.01
        soil_loss: {absolute: 0.001, relative: 0.05}   # within either is enough
      relative: false              # true: plain numbers are fractions of the expected one
      ignore_columns: [computed_at]

The first row is the header. Cells that both write numbers compare by value (1.0 equals 1.00), all others as text; a
leading zero makes text, as in the identifier 002299. The order of columns counts, since many readers go by position.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from pydantic import Field

from .comparison import Comparator, Comparison, Differences, Unreadable, counted, excerpt, reading
from .numeric import deviation, parse_number
from .params import nearest
from .tolerances import Limit, Tolerant

_DELIMITERS = ",\t;|"

_Row = list[str]


class TabularParams(Tolerant):
    """How rows are matched and cells judged."""

    delimiter: str | None = Field(
        default=None, min_length=1, max_length=1, description="one character (left out, it is seen in the header)"
    )
    key: str | list[str] = Field(default=[], description="a column name or a list of them")
    ignore_columns: list[str] = Field(default=[], description="a list of column names")

    @property
    def keys(self) -> list[str]:
        """The key columns as a list; empty when rows are matched by position."""
        return [self.key] if isinstance(self.key, str) else self.key


class _Table:
    """One file: its compared columns, and its rows, read as they are asked for."""

    def __init__(self, path: Path, delimiter: str, ignored: list[str]) -> None:
        self.rows = _rows(path, delimiter)
        self.header = _unique(next(self.rows, []))
        if not self.header:
            raise Unreadable(path, "has no header row")
        self._kept = [at for at, name in enumerate(self.header) if name not in ignored]
        self.columns = [self.header[at] for at in self._kept]

    def cells(self, row: _Row) -> list[str | None]:
        """The compared cells of `row`: None where it is too short, then what it has beyond the last column."""
        return [*(row[at] if at < len(row) else None for at in self._kept), *row[len(self.header) :]]

    def key(self, row: _Row, columns: list[str]) -> tuple[str, ...]:
        """What `row` says in the key `columns`."""
        return tuple("".join(row[at : at + 1]) for at in map(self.header.index, columns))


def _judge(expected: Path, actual: Path, params: TabularParams, artifacts: Path | None) -> Comparison:
    delimiter = params.delimiter or _sniff(expected)
    left = _Table(expected, delimiter, params.ignore_columns)
    right = _Table(actual, delimiter, params.ignore_columns)
    if misnamed := _misnamed(params, {*left.header, *right.header}):
        return Comparison("failed", misnamed)
    limits, everywhere = params.places, params.everywhere
    differences = Differences()
    _compare_columns(left.columns, right.columns, differences)
    if differences.count:  # the cells of other columns cannot be matched
        return differences.judge("")
    compared = 0
    for name, before, after in _matched(left, right, params.keys):
        compared += 1
        if before is None or after is None:
            differences.add(name, _shown_row(before), _shown_row(after))
            continue
        for at, (was, now) in enumerate(zip_longest(left.cells(before), right.cells(after))):
            column = left.columns[at] if at < len(left.columns) else "beyond the last"
            if was is None or now is None:
                if was is not now:
                    differences.add(f"{name}, column {column}", _shown(was), _shown(now))
            elif was != now and not _same(limits.get(column, everywhere), was, now):
                differences.add(f"{name}, column {column}", _shown(was), _shown(now), _apart(was, now))
    return differences.judge(f"No difference in {counted(compared, 'row')} of {counted(len(left.columns), 'column')}.")


def _sniff(path: Path) -> str:
    """The delimiter that splits the header into most columns."""
    with reading(path, "a table", UnicodeDecodeError), path.open(encoding="utf-8-sig") as file:
        header = next((line for line in file if line.strip()), "")
    return max(_DELIMITERS, key=lambda delimiter: len(next(csv.reader([header], delimiter=delimiter), [])))


def _rows(path: Path, delimiter: str) -> Iterator[_Row]:
    with (
        reading(path, "a table", csv.Error, UnicodeDecodeError),
        path.open(encoding="utf-8-sig", newline="") as file,
    ):
        header: _Row = []
        for row in csv.reader(file, delimiter=delimiter, strict=True):
            header = header or row
            # An empty line is no row, unless there is one column: there it is an empty cell.
            if row or len(header) == 1:
                yield row


def _unique(header: _Row) -> _Row:
    """`header` with repeated names told apart: `x`, `x (2)`."""
    earlier = [header[:at].count(name) for at, name in enumerate(header)]
    return [f"{name} ({count + 1})" if count else name for name, count in zip(header, earlier, strict=True)]


def _same(limit: Limit, expected: str, actual: str) -> bool:
    left, right = parse_number(expected), parse_number(actual)
    return left is not None and right is not None and limit.allows(left, right)


def _misnamed(params: TabularParams, valid: set[str]) -> str | None:
    for param, names in (
        ("key", params.keys),
        ("tolerance", [*params.places]),
        ("ignore_columns", params.ignore_columns),
    ):
        for name in names:
            if name not in valid:
                return f"Param {param!r} names a column {name!r} that the file does not have; {nearest(name, valid)}."
    return None


def _compare_columns(expected: list[str], actual: list[str], differences: Differences) -> None:
    for name in expected:
        if name not in actual:
            differences.add(f"column {name}", "present", "missing")
    for name in actual:
        if name not in expected:
            differences.add(f"column {name}", "none", "present")
    if not differences.count and expected != actual:
        moved = next(at for at, (was, now) in enumerate(zip(expected, actual, strict=True)) if was != now)
        differences.add(f"column number {moved + 1}", expected[moved], actual[moved])


def _matched(left: _Table, right: _Table, keys: list[str]) -> Iterator[tuple[str, _Row | None, _Row | None]]:
    """Rows that belong together, with a name for the pair; None on the side that has no such row."""
    if not keys:
        for number, (before, after) in enumerate(zip_longest(left.rows, right.rows), 1):
            yield f"row {number:,}", before, after
        return
    waiting: dict[tuple[str, ...], list[_Row]] = defaultdict(list)
    for row in left.rows:
        waiting[left.key(row, keys)].append(row)
    for row in right.rows:
        key = right.key(row, keys)
        # Rows that share a key are matched in the order of the file.
        yield _named(keys, key), waiting[key].pop(0) if waiting.get(key) else None, row
    for key, rows in waiting.items():
        for row in rows:
            yield _named(keys, key), row, None


def _named(keys: list[str], values: tuple[str, ...]) -> str:
    return "row " + ", ".join(f"{key}={excerpt(value, 40)}" for key, value in zip(keys, values, strict=True))


def _shown(cell: str | None) -> str:
    return "no cell" if cell is None else cell if parse_number(cell) is not None else repr(cell)


def _shown_row(row: _Row | None) -> str:
    return "no such row" if row is None else excerpt(", ".join(row), 60)


def _apart(expected: str, actual: str) -> float:
    left, right = parse_number(expected), parse_number(actual)
    return math.inf if left is None or right is None else deviation(left, right)


COMPARATOR = Comparator(TabularParams, _judge)
