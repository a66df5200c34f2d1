"""`sqlite_diff`, on files that sqlite3 writes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playback.comparators import Comparison, compare, default_method

BASE = """
    CREATE TABLE outlet (id INTEGER PRIMARY KEY, name TEXT, runoff REAL, shape BLOB);
    INSERT INTO outlet VALUES (1, 'a', 1.5, x'00ff'), (2, 'b', 2.5, NULL), (3, 'c', NULL, x'');
    CREATE TABLE reading (outlet INTEGER, depth REAL);
    INSERT INTO reading VALUES (1, 0.5), (1, 0.5), (2, 0.25);
    CREATE TABLE pair (a TEXT, b TEXT, note TEXT, PRIMARY KEY (b, a)) WITHOUT ROWID;
    INSERT INTO pair VALUES ('x', 'y', 'n'), ('y', 'x', 'm');
    CREATE INDEX by_name ON outlet (name);
"""


def write(path: Path, *scripts: str) -> None:
    """A database in which `scripts` ran."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        for script in scripts:
            connection.executescript(script)


@pytest.fixture
def judge_sql(pair):
    """`judge_sql(script, base=BASE, **params)`: the verdict on `base` against `base` with `script` run after it."""

    def judge_sql(script: str, base: str = BASE, **params: object) -> Comparison:
        left, right = pair("runs.db")
        write(left, base)
        write(right, base, script)
        before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in (left, right)]
        outcome = compare("sqlite_diff", left, right, params)
        assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in (left, right)] == before
        assert [each.name for path in (left, right) for each in path.parent.iterdir()] == ["runs.db"] * 2
        return outcome

    return judge_sql


@pytest.mark.parametrize(
    ("script", "difference"),
    [
        (
            "UPDATE outlet SET runoff = 2.6 WHERE id = 2",
            "1 difference at table outlet, row id=2, column runoff: expected 2.5, actual 2.6.",
        ),
        ("UPDATE outlet SET runoff = 0 WHERE id = 3", "row id=3, column runoff: expected None, actual 0.0"),
        ("UPDATE outlet SET shape = NULL WHERE id = 3", "column shape: expected b'', actual None"),
        ("UPDATE outlet SET shape = x'00fe' WHERE id = 1", r"column shape: expected b'\x00\xff', actual b'\x00\xfe'"),
        ("UPDATE outlet SET name = 'A' WHERE id = 1", "row id=1, column name: expected 'a', actual 'A'"),
        ("UPDATE outlet SET name = x'61' WHERE id = 1", "column name: expected 'a', actual b'a'"),
        ("DELETE FROM outlet WHERE id = 2", "table outlet, row id=2: expected 2, 'b', 2.5, None, actual no such row."),
        ("INSERT INTO outlet (id) VALUES (9)", "table outlet, row id=9: expected no such row, actual 9, None"),
        ("UPDATE outlet SET id = 9 WHERE id = 3", "2 differences, the worst at table outlet, row id=3"),
        ("DELETE FROM reading WHERE rowid = 1", "table reading, row outlet=1, depth=0.5: expected 1, 0.5, actual no"),
        ("INSERT INTO reading VALUES (2, 0.25)", "table reading, row outlet=2, depth=0.25: expected no such row"),
        ("UPDATE pair SET note = 'o' WHERE a = 'x'", "table pair, row b='y', a='x', column note: expected 'n', actual"),
        (
            "DROP TABLE reading",
            "at table reading: expected CREATE TABLE reading (outlet INTEGER, depth REAL), actual none.",
        ),
        ("CREATE TABLE extra (x)", "at table extra: expected none, actual CREATE TABLE extra (x)."),
        ("DROP INDEX by_name", "at index by_name: expected CREATE INDEX by_name ON outlet (name), actual none."),
        ("ALTER TABLE pair ADD COLUMN more", "at table pair: expected CREATE TABLE pair (a TEXT"),
        ("CREATE VIEW v AS SELECT 1", "at view v: "),
        ("PRAGMA user_version = 3", "at user_version: expected 0, actual 3."),
    ],
)
def test_one_change_fails_and_is_named(judge_sql, script, difference):
    outcome = judge_sql(script)
    assert outcome.result == "failed"
    assert difference in outcome.summary


@pytest.mark.parametrize(
    "script",
    [
        "",
        "DELETE FROM outlet; INSERT INTO outlet VALUES (3,'c',NULL,x''), (2,'b',2.5,NULL), (1,'a',1.5,x'00ff')",
        "DELETE FROM reading; INSERT INTO reading VALUES (2, 0.25), (1, 0.5), (1, 0.5)",
        "VACUUM",
        "PRAGMA journal_mode = WAL",
        "ANALYZE",
    ],
)
def test_what_means_the_same_passes(judge_sql, script):
    outcome = judge_sql(script)
    assert (outcome.result, outcome.summary) == ("passed", "No difference in 8 rows of 3 tables.")


def test_numbers_compare_by_value(pair):
    left, right = pair("a.db")
    write(left, "CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)")
    write(right, "CREATE TABLE t (x); INSERT INTO t VALUES (2.0), (1.0)")
    assert compare("sqlite_diff", left, right, {}).result == "passed"
    write(right, "CREATE TABLE t (x); INSERT INTO t VALUES (2), ('1')")
    assert compare("sqlite_diff", left, right, {}).result == "failed"


@pytest.mark.parametrize(
    ("script", "params"),
    [
        ("INSERT INTO reading VALUES (7, 7)", {"ignore_tables": ["reading"]}),
        ("DROP TABLE reading", {"ignore_tables": ["reading"]}),
        ("DROP INDEX by_name; DELETE FROM outlet", {"ignore_tables": ["outlet"]}),
        ("UPDATE outlet SET name = 'z'", {"ignore_columns": ["name"]}),
        ("UPDATE outlet SET name = 'z'", {"ignore_columns": ["outlet.name"]}),
        ("UPDATE outlet SET id = id + 90", {"ignore_columns": ["id"]}),  # rows are matched by what is left
    ],
)
def test_what_is_ignored_may_differ(judge_sql, script, params):
    assert judge_sql(script).result == "failed"
    assert judge_sql(script, **params).result == "passed"


def test_what_is_not_ignored_still_fails(judge_sql):
    script = "UPDATE outlet SET name = 'z', id = id + 90"
    assert judge_sql(script, ignore_columns=["id"]).result == "failed"
    assert judge_sql(script, ignore_columns=["id", "outlet.name"]).result == "passed"


def test_the_number_of_rows_counts_even_where_every_column_is_ignored(judge_sql):
    every = {"ignore_columns": ["outlet", "depth"]}
    assert judge_sql("UPDATE reading SET outlet = 7, depth = 7", **every).result == "passed"
    assert "expected no such row" in judge_sql("INSERT INTO reading VALUES (7, 7)", **every).summary


@pytest.mark.parametrize("params", [{"ignore_tables": ["outlit"]}, {"ignore_columns": ["outlet.nam"]}])
def test_what_is_not_there_cannot_be_ignored(judge_sql, params):
    (param, (name,)) = next(iter(params.items()))
    summary = judge_sql("", **params).summary
    assert summary.startswith(f"Param {param!r} has {name!r}, which is not in the file; did you mean 'outlet")


def test_rows_in_the_write_ahead_log_count(pair):
    left, right = pair("live.db")
    for path in (left, right):
        write(path, "PRAGMA journal_mode = WAL;" + BASE)
    with closing(sqlite3.connect(right)) as application:
        application.execute("PRAGMA wal_autocheckpoint = 0")
        application.execute("UPDATE outlet SET name = 'z' WHERE id = 1")
        application.commit()
        files = {path.name: path.read_bytes() for path in right.parent.iterdir()}
        assert set(files) == {"live.db", "live.db-wal", "live.db-shm"}
        assert "column name: expected 'a', actual 'z'" in compare("sqlite_diff", left, right, {}).summary
        assert compare("sqlite_diff", right, right, {}).result == "passed"
        assert {path.name: path.read_bytes() for path in right.parent.iterdir()} == files


def test_a_file_that_may_not_be_written_is_read(pair):
    for path in (paths := pair("a ?#%.db")):
        write(path, BASE)
        path.chmod(0o400)
        path.parent.chmod(0o500)
    assert compare("sqlite_diff", *paths, {}).result == "passed"


def test_text_that_is_not_utf_8_is_compared(judge_sql):
    base = "CREATE TABLE t (x TEXT); INSERT INTO t VALUES (CAST(x'ff00' AS TEXT)), ('é')"
    assert judge_sql("", base).result == "passed"
    outcome = judge_sql("UPDATE t SET x = CAST(x'fe00' AS TEXT) WHERE x <> 'é'", base)
    assert outcome.result == "failed"
    "".join([outcome.summary, *outcome.details]).encode("utf-8")


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_rows_are_matched_in_every_encoding(pair, encoding):
    names = ["a", "é", "中", "\U0001f30a", "ab", "", "\ufffd"]
    left, right = pair("names.db")
    for path, order in ((left, names), (right, names[::-1])):
        write(path, f"PRAGMA encoding = '{encoding}'; CREATE TABLE t (name TEXT PRIMARY KEY)")
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.executemany("INSERT INTO t VALUES (?)", [(name,) for name in order])
    assert compare("sqlite_diff", left, right, {}).result == "passed"
    for name in names:
        with closing(sqlite3.connect(right)) as connection, connection:
            connection.execute("DELETE FROM t WHERE name = ?", (name,))
        assert compare("sqlite_diff", left, right, {}).summary.startswith("1 difference at table t, row name=")
        with closing(sqlite3.connect(right)) as connection, connection:
            connection.execute("INSERT INTO t VALUES (?)", (name,))


def test_rows_are_matched_whatever_the_collation(judge_sql):
    base = "CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY); INSERT INTO t VALUES ('a'), ('B'), ('C')"
    outcome = judge_sql("DELETE FROM t WHERE k = 'a'", base)
    assert outcome.summary == "1 difference at table t, row k='a': expected 'a', actual no such row."


def test_a_virtual_table_of_an_unknown_module_is_compared_by_its_schema(judge_sql):
    base = """
        PRAGMA writable_schema = ON;
        INSERT INTO sqlite_master VALUES ('table', 'far', 'far', 0, 'CREATE VIRTUAL TABLE far USING elsewhere (x)');
    """
    assert judge_sql("", base).result == "passed"
    outcome = judge_sql("UPDATE sqlite_master SET sql = 'CREATE VIRTUAL TABLE far USING elsewhere (y)'", base)
    assert "at table far: " in outcome.summary


def test_another_encoding_is_a_difference(pair):
    left, right = pair("a.db")
    write(left, BASE)
    write(right, "PRAGMA encoding = 'UTF-16le';" + BASE)
    assert "at the text encoding: expected UTF-8, actual UTF-16le" in compare("sqlite_diff", left, right, {}).summary


def test_names_are_quoted(judge_sql):
    base = 'CREATE TABLE "select" ("a ""b" TEXT, "order" INTEGER); INSERT INTO "select" VALUES (\'x\', 1)'
    assert judge_sql("", base).result == "passed"
    assert judge_sql('UPDATE "select" SET "order" = 2', base).result == "failed"


def test_full_text_tables_compare_by_what_they_hold(judge_sql):
    base = "CREATE VIRTUAL TABLE notes USING fts4 (body); INSERT INTO notes VALUES ('rain'), ('snow')"
    assert judge_sql("", base).result == "passed"
    assert judge_sql("INSERT INTO notes VALUES ('hail')", base).result == "failed"


def test_a_cut_off_file_fails_on_its_side(pair):
    left, right = pair("runs.db")
    for path in (left, right):
        write(path, BASE)
    right.write_bytes(right.read_bytes()[:5000])
    for one, other, role in ((left, right, "actual"), (right, left, "expected")):
        outcome = compare("sqlite_diff", one, other, {})
        assert outcome.summary.startswith(f"The {role} file runs.db cannot be read as SQLite: ")
    assert default_method(left) == "sqlite_diff"
    assert default_method(right) == "exact_hash"


rows = st.lists(
    st.tuples(
        st.none()
        | st.integers(-3, 3)
        | st.sampled_from([0.5, 1.0, float("inf")])
        | st.text(max_size=2)
        | st.binary(max_size=2),
        st.none() | st.text(st.characters(codec="utf-8"), max_size=2),
    ),
    max_size=6,
)


@settings(deadline=None, max_examples=50)
@given(rows, st.randoms(), st.booleans())
def test_the_order_of_rows_never_counts_and_their_number_does(tmp_path_factory, rows, random, keyed):
    folder = tmp_path_factory.mktemp("pair")
    rows = [tuple(v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for v in row) for row in rows]
    shuffled = random.sample(rows, len(rows))
    schema = "CREATE TABLE t (n INTEGER PRIMARY KEY, a, b)" if keyed else "CREATE TABLE t (n, a, b)"
    for name, content in (("one", rows), ("other", shuffled), ("fewer", rows[1:])):
        with closing(sqlite3.connect(folder / name)) as connection, connection:
            connection.execute(schema)
            numbered = [(rows.index(row) if not keyed else None, *row) for row in content]
            connection.executemany("INSERT INTO t VALUES (?, ?, ?)", numbered)
    ignored = {"ignore_columns": ["n"]} if keyed else {}
    assert compare("sqlite_diff", folder / "one", folder / "other", ignored).result == "passed"
    for pair in (("one", "fewer"), ("fewer", "one")):
        outcome = compare("sqlite_diff", *(folder / name for name in pair), ignored)
        assert outcome.result == ("failed" if rows else "passed")
