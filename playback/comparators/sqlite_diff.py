"""`sqlite_diff`: the same schema and the same rows, whatever their order on disk.

    params:
      ignore_tables: [django_session]
      ignore_columns: [created_at, gpkg_contents.last_change]   # in every table, or in one

Rows are matched by primary key, or by their whole content where there is none. Values compare as SQLite compares them:
1 equals 1.0, text never equals a number. Of a virtual table the tables that hold its content are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from .comparison import Comparator, Comparison, Differences, counted, excerpt
from .numeric import deviation, is_number
from .params import Params, nearest
from .sqlite_files import Database, Row, Table, opened


class SqliteParams(Params):
    """What is left out."""

    ignore_tables: list[str] = Field(default=[], description="a list of table names")
    ignore_columns: list[str] = Field(default=[], description="a list of column names, or of table.column")

    def compared(self, table: Table) -> list[str]:
        """The columns of `table` that are not left out."""
        return [name for name in table.columns if not {name, f"{table.name}.{name}"} & {*self.ignore_columns}]


def _judge(expected: Path, actual: Path, params: SqliteParams, artifacts: Path | None) -> Comparison:
    with opened(expected) as left, opened(actual) as right:
        before, after = left.tables(), right.tables()
        if misnamed := _misnamed(params, [*before.values(), *after.values()]):
            return Comparison("failed", misnamed)
        differences = Differences()
        _compare_schemas(left.schema(params.ignore_tables), right.schema(params.ignore_tables), differences)
        if left.encoding != right.encoding:  # it decides in which order rows come
            return differences.judge("")
        names = [name for name in before if name in after and name not in params.ignore_tables]
        rows = 0
        for name in names:
            columns = params.compared(before[name])
            if columns == params.compared(after[name]):
                rows += _compare_rows(left, right, before[name], columns, differences)
    return differences.judge(f"No difference in {counted(rows, 'row')} of {counted(len(names), 'table')}.")


def _misnamed(params: SqliteParams, tables: list[Table]) -> str | None:
    names = {table.name for table in tables}
    columns = {known for table in tables for name in table.columns for known in (name, f"{table.name}.{name}")}
    for param, given, valid in (
        ("ignore_tables", params.ignore_tables, names),
        ("ignore_columns", params.ignore_columns, columns),
    ):
        for name in given:
            if name not in valid:
                return f"Param {param!r} has {name!r}, which is not in the file; {nearest(name, valid)}."
    return None


def _compare_schemas(expected: dict[str, str], actual: dict[str, str], differences: Differences) -> None:
    for name in {**expected, **actual}:
        before, after = expected.get(name, "none"), actual.get(name, "none")
        if before != after:
            differences.add(name, before, after)


def _compare_rows(left: Database, right: Database, table: Table, columns: list[str], differences: Differences) -> int:
    """Note how the rows of `table` differ in `columns`; returns how many rows were looked at."""
    # An ignored key (a random id) identifies nothing: such rows are matched by what is left of them.
    keys = table.keys if table.keys and set(table.keys) <= set(columns) else columns
    ordered = [*keys, *(name for name in columns if name not in keys)]
    compared = 0
    for before, after in _merged(left, right, table.name, ordered, len(keys)):
        compared += 1
        known = before if before is not None else after
        named = ", ".join(f"{key}={value!r}" for key, value in zip(keys, known or (), strict=False))
        where = f"table {table.name}, row {excerpt(named, 40)}"
        if before is None or after is None:
            differences.add(where, _shown_row(before), _shown_row(after))
            continue
        for column, was, now in zip(ordered, before, after, strict=False):
            if was != now:
                apart = deviation(was, now) if is_number(was) and is_number(now) else float("inf")
                differences.add(f"{where}, column {column}", repr(was), repr(now), apart)
    return compared


def _merged(
    left: Database, right: Database, table: str, columns: list[str], keys: int
) -> Iterator[tuple[Row | None, Row | None]]:
    """Pairs of rows that agree in the first `keys` columns; None on the side that has no such row.

    Both sides come sorted, so that memory stays bounded however large the tables are.
    """
    ours, theirs = left.rows(table, columns), right.rows(table, columns)
    before, after = next(ours, None), next(theirs, None)
    while before is not None or after is not None:
        first = left.rank(before[:keys]) if before is not None else None
        second = right.rank(after[:keys]) if after is not None else None
        take_left = second is None or (first is not None and first <= second)
        take_right = first is None or (second is not None and second <= first)
        yield before if take_left else None, after if take_right else None
        before = next(ours, None) if take_left else before
        after = next(theirs, None) if take_right else after


def _shown_row(row: Row | None) -> str:
    return "no such row" if row is None else ", ".join(map(repr, row))


COMPARATOR = Comparator(SqliteParams, _judge)
