"""What holds for any content: equals pass, one change beyond the tolerance fails and is named, order as documented."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from playback.comparators import compare

COLUMNS = ["id", "runoff", "soil_loss"]
LIMIT = 0.5
examples = settings(deadline=None, max_examples=40)

amounts = st.integers(-1000, 1000).map(lambda quarter: quarter / 4)  # exact in binary: a limit is met or it is not
grids = st.lists(st.lists(amounts, min_size=2, max_size=2), min_size=1, max_size=8)
beyond = st.integers(3, 4000).map(lambda quarter: quarter / 4) | st.integers(-4000, -3).map(lambda quarter: quarter / 4)
within = st.sampled_from([-0.5, -0.25, 0.0, 0.25, 0.5])


def table(rows: list[list[float]], columns: list[int] | None = None) -> str:
    """A CSV of `rows` with their number as id; its columns in the order of `columns`."""
    text = io.StringIO()
    lines = [COLUMNS, *([number, *row] for number, row in enumerate(rows))]
    csv.writer(text).writerows([line[at] for at in columns or range(3)] for line in lines)
    return text.getvalue()


def document(rows: list[list[float]]) -> str:
    return json.dumps({"outlets": [dict(zip(COLUMNS, [at, *row], strict=True)) for at, row in enumerate(rows)]})


def database(path: Path, rows: list[list[float]], numbers: list[int]) -> None:
    """Row `n` of the table is of id `n`; they are written in the order of `numbers`."""
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE outlets (id INTEGER PRIMARY KEY, runoff REAL, soil_loss REAL)")
        connection.executemany("INSERT INTO outlets VALUES (?, ?, ?)", [(at, *rows[at]) for at in numbers])
    connection.close()


def raster(path: Path, rows: list[list[float]]) -> None:
    cells = np.array([rows], dtype="float32")
    shape = {"count": 1, "height": len(rows), "width": 2, "dtype": "float32", "nodata": -9999.0}
    place = {"crs": "EPSG:32611", "transform": rasterio.Affine(30, 0, 500_000, 0, -30, 4_000_000)}
    with rasterio.open(path, "w", driver="GTiff", **shape, **place) as file:
        file.write(cells)


@st.composite
def one_changed(draw: st.DrawFn, by: st.SearchStrategy[float] = beyond) -> tuple[list[list[float]], int, int, float]:
    """Rows, and the row and column of one cell that changes by so much."""
    rows = draw(grids)
    return rows, draw(st.integers(0, len(rows) - 1)), draw(st.integers(0, 1)), draw(by)


def changed(rows: list[list[float]], row: int, column: int, by: float) -> list[list[float]]:
    copy = [[*each] for each in rows]
    copy[row][column] += by
    return copy


@examples
@given(one_changed())
def test_one_changed_cell_of_a_table_fails_and_is_named(judge, case):
    rows, row, column, by = case
    for params in ({}, {"tolerance": LIMIT}, {"key": "id", "tolerance": {"runoff": LIMIT, "soil_loss": LIMIT}}):
        outcome = judge("tabular_diff", table(rows), table(changed(rows, row, column, by)), **params)
        where = f"row id={row}" if "key" in params else f"row {row + 1}"
        assert outcome.result == "failed"
        assert outcome.summary == (
            f"1 difference at {where}, column {COLUMNS[column + 1]}: "
            f"expected {rows[row][column]}, actual {rows[row][column] + by}."
        )
        assert outcome.details[1].split()[-1] == f"{abs(by):.6g}"


@examples
@given(one_changed())
def test_one_changed_value_of_a_document_fails_and_is_named(judge, case):
    rows, row, column, by = case
    for method, params in (
        ("json_exact", {}),
        ("json_tolerance", {"tolerance": LIMIT}),
        ("json_tolerance", {"tolerance": {f"/outlets/{row}/*": LIMIT}}),
        ("json_tolerance", {"tolerance": {"/**": {"absolute": LIMIT}}}),
    ):
        outcome = judge(method, document(rows), document(changed(rows, row, column, by)), **params)
        assert outcome.result == "failed"
        assert f"1 difference at /outlets/{row}/{COLUMNS[column + 1]}: " in outcome.summary


@examples
@given(one_changed(within))
def test_one_change_within_the_tolerance_passes(judge, case):
    rows, after = case[0], changed(*case)
    tables, documents = (table(rows), table(after)), (document(rows), document(after))
    assert judge("tabular_diff", *tables, tolerance=LIMIT).result == "passed"
    assert judge("tabular_diff", *tables, key="id", tolerance=dict.fromkeys(COLUMNS, LIMIT)).result == "passed"
    assert judge("json_tolerance", *documents, tolerance=LIMIT).result == "passed"
    exact = "passed" if rows == after else "failed"
    assert judge("tabular_diff", *tables).result == judge("json_exact", *documents).result == exact


@examples
@given(one_changed())
def test_one_changed_cell_of_a_raster_fails_and_is_named(tmp_path_factory, case):
    rows, row, column, by = case
    folder = tmp_path_factory.mktemp("raster")
    before, after = folder / "before.tif", folder / "after.tif"
    raster(before, rows)
    raster(after, changed(rows, row, column, by))
    assert compare("raster_stats", before, before, {}).result == "passed"
    for params in ({}, {"tolerance": {"cells": 0}}):
        outcome = compare("raster_stats", before, after, params)
        assert outcome.result == "failed"
        assert f"1 of {2 * len(rows)} cell" in outcome.summary
        assert f"differs, at row {row}, column {column} (from 0): expected {rows[row][column]}, " in outcome.summary
    allowed = {"tolerance": {"mean": abs(by), "max": 2000, "min": 2000, "std": 2000}}
    assert compare("raster_stats", before, after, allowed).result == "passed"


@examples
@given(one_changed(), st.randoms(use_true_random=False))
def test_one_changed_value_of_a_database_fails_and_is_named_in_any_order_of_rows(tmp_path_factory, case, random):
    rows, row, column, by = case
    folder = tmp_path_factory.mktemp("sqlite")
    before, after = folder / "before.db", folder / "after.db"
    numbers = list(range(len(rows)))
    database(before, rows, numbers)
    random.shuffle(numbers)
    database(after, rows, numbers)
    assert compare("sqlite_diff", before, after, {}).result == "passed"
    database(after, changed(rows, row, column, by), numbers)
    outcome = compare("sqlite_diff", before, after, {})
    assert outcome.result == "failed"
    assert f"1 difference at table outlets, row id={row}, column {COLUMNS[column + 1]}: " in outcome.summary


@examples
@given(st.binary(min_size=1, max_size=300), st.data())
def test_one_changed_byte_fails_and_is_named(judge, content, data):
    at = data.draw(st.integers(0, len(content) - 1))
    flipped = bytearray(content)
    flipped[at] ^= data.draw(st.integers(1, 255))
    assert judge("exact_hash", content, content).result == "passed"
    outcome = judge("exact_hash", content, bytes(flipped))
    assert f"The first difference is at byte {at:,}: expected 0x{content[at]:02x}, actual 0x{flipped[at]:02x}" in (
        outcome.summary
    )
    # Of a text it is the line that is named; no byte is overlooked, whether it is text or not.
    assert judge("text_diff", content, bytes(flipped)).result == "failed"


@examples
@given(st.lists(st.text("ab é", max_size=6), min_size=1, max_size=12), st.data())
def test_one_changed_line_fails_and_is_named(judge, lines, data):
    at = data.draw(st.integers(0, len(lines) - 1))
    after = [*lines[:at], f"{lines[at]}x", *lines[at + 1 :]]
    outcome = judge("text_diff", "\n".join(lines) + "\n", "\n".join(after) + "\n")
    assert outcome.summary.startswith(f"Line {at + 1:,} differs from character {len(lines[at]) + 1:,}: ")
    assert f"-{lines[at]}" in outcome.details
    assert f"+{lines[at]}x" in outcome.details


@examples
@given(st.dictionaries(st.sampled_from("abcdef"), st.binary(min_size=1, max_size=20), min_size=1), st.data())
def test_one_changed_member_fails_and_is_named_in_any_order(tmp_path_factory, members, data):
    folder = tmp_path_factory.mktemp("zip")

    def written(name: str, content: dict[str, bytes]) -> Path:
        with zipfile.ZipFile(folder / name, "w") as archive:
            for member, text in content.items():
                archive.writestr(f"{member}.bin", text)
        return folder / name

    order = data.draw(st.permutations(list(members)))
    before = written("before.zip", members)
    assert compare("archive_diff", before, written("same.zip", {n: members[n] for n in order}), {}).result == "passed"
    changed_one = order[0]
    after = written("after.zip", {n: members[n] + (b"!" if n == changed_one else b"") for n in order})
    outcome = compare("archive_diff", before, after, {})
    assert outcome.result == "failed"
    assert outcome.summary.startswith(f"Member {changed_one}.bin: ")


@examples
@given(grids, st.permutations([0, 1, 2]), st.data())
def test_rows_count_without_a_key_and_columns_always(judge, rows, columns, data):
    lines = table(rows).splitlines(keepends=True)
    order = data.draw(st.permutations(lines[1:]))
    shuffled = lines[0] + "".join(order)
    assert judge("tabular_diff", table(rows), shuffled, key="id").result == "passed"
    assert (judge("tabular_diff", table(rows), shuffled).result == "passed") == (order == lines[1:])
    for params in ({}, {"key": "id"}):
        moved = judge("tabular_diff", table(rows), table(rows, columns), **params)
        assert (moved.result == "passed") == (columns == [0, 1, 2])


@examples
@given(grids, st.data())
def test_keys_of_a_document_never_count_and_items_always(judge, rows, data):
    text, parsed = document(rows), json.loads(document(rows))
    items = data.draw(st.permutations(parsed["outlets"]))
    turned = [dict(reversed(item.items())) for item in parsed["outlets"]]
    for method in ("json_exact", "json_tolerance"):
        assert judge(method, text, json.dumps({"outlets": turned})).result == "passed"
        moved = judge(method, text, json.dumps({"outlets": items}))
        assert (moved.result == "passed") == (items == parsed["outlets"])


@pytest.mark.parametrize("limit", [1e9, {"absolute": 1e9, "relative": 1e9}])
@examples
@given(number=amounts | st.just(float("inf")) | st.just(float("-inf")))
def test_nan_equals_nan_and_nothing_else_whatever_the_limit(judge, limit, number):
    nan = float("nan")
    for method, place, written in (
        ("json_tolerance", "/*", lambda value: json.dumps([value])),
        ("tabular_diff", "x", lambda value: f"x\n{value}\n"),
    ):
        for params in ({"tolerance": {place: limit}}, {"tolerance": {place: 1e9}, "relative": True}):
            assert judge(method, written(nan), written(nan), **params).result == "passed"
            assert judge(method, written(nan), written(number), **params).result == "failed"
            assert judge(method, written(number), written(nan), **params).result == "failed"
