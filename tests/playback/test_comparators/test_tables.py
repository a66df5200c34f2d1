"""`tabular_diff`."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

BASE = "outlet,year,runoff\n1,2001,10.0\n2,2001,20.0\n3,2001,nan\n"

tables = st.lists(st.lists(st.text(max_size=4), min_size=2, max_size=2), max_size=5)


def written(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([["a", "b"], *rows])
    return text.getvalue().encode("utf-8", "replace")


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("20.0", "20.1", "1 difference at row 2, column runoff: expected 20.0, actual 20.1."),
        ("nan", "0", "at row 3, column runoff: expected nan, actual 0."),
        ("10.0", "NaN", "at row 1, column runoff: expected 10.0, actual NaN."),
        ("nan", "", "at row 3, column runoff: expected nan, actual ''."),
        ("10.0", "x", "at row 1, column runoff: expected 10.0, actual 'x'."),
        ("1,2001,10.0", "01,2001,10.0", "at row 1, column outlet: expected 1, actual '01'."),
        ("3,2001,nan\n", "", "at row 3: expected 3, 2001, nan, actual no such row."),
        ("3,2001,nan\n", "3,2001,nan\n4,2001,1\n", "at row 4: expected no such row, actual 4, 2001, 1."),
        ("2001,10.0", "2001", "at row 1, column runoff: expected 10.0, actual no cell."),
        ("10.0", "10.0,7", "at row 1, column beyond the last: expected no cell, actual 7."),
        ("runoff", "run-off", "2 differences, the worst at column runoff: expected present, actual missing."),
        ("outlet,year", "year,outlet", "at column number 1: expected outlet, actual year."),
        (",runoff\n", ",runoff,flow\n", "at column flow: expected none, actual present."),
    ],
)
def test_one_change_fails_and_is_named(judge, old, new, difference):
    outcome = judge("tabular_diff", BASE, BASE.replace(old, new, 1))
    assert outcome.result == "failed"
    assert difference in outcome.summary


@pytest.mark.parametrize(
    "actual",
    [
        BASE.replace("\n", "\r\n"),
        BASE.replace("20.0", "20"),
        BASE.replace("20.0", "2.000e1"),
        BASE.replace("nan", "NaN"),
        BASE.replace("20.0", '"20.0"'),
        BASE.removesuffix("\n"),
        BASE + "\n",
        "\ufeff" + BASE,
    ],
)
def test_what_means_the_same_passes(judge, actual):
    outcome = judge("tabular_diff", BASE, actual)
    assert (outcome.result, outcome.summary) == ("passed", "No difference in 3 rows of 3 columns.")


def test_large_identifiers_are_not_rounded(judge):
    outcome = judge("tabular_diff", "id\n12345678901234567890\n", "id\n12345678901234567891\n")
    assert outcome.result == "failed"


def test_the_largest_deviation_is_named_first(judge):
    actual = BASE.replace("10.0", "10.1").replace("20.0", "25.0")
    outcome = judge("tabular_diff", BASE, actual)
    assert outcome.summary == "2 differences, the worst at row 2, column runoff: expected 20.0, actual 25.0."
    assert outcome.details[1:] == [
        "row 2, column runoff  20.0      25.0    5",
        "row 1, column runoff  10.0      10.1    0.1",
    ]


@pytest.mark.parametrize(
    ("params", "result"),
    [
        ({}, "failed"),
        ({"tolerance": 0.5}, "passed"),
        ({"tolerance": 0.4}, "failed"),
        ({"tolerance": {"runoff": 0.5}}, "passed"),
        ({"tolerance": {"year": 0.5}}, "failed"),
        ({"tolerance": 0.025, "relative": True}, "passed"),
        ({"tolerance": 0.024, "relative": True}, "failed"),
        ({"tolerance": {"runoff": 0.025}, "relative": True}, "passed"),
        ({"tolerance": {"runoff": {"relative": 0.025}}}, "passed"),
        ({"tolerance": {"runoff": {"relative": 0.024}}}, "failed"),
        ({"tolerance": {"runoff": {"absolute": 0.5}}, "relative": True}, "passed"),
        ({"tolerance": {"runoff": {"absolute": 0.4, "relative": 0.025}}}, "passed"),
        ({"tolerance": {"runoff": {"absolute": 0.5, "relative": 0.024}}}, "passed"),
        ({"tolerance": {"runoff": {"absolute": 0.4, "relative": 0.024}}}, "failed"),
        ({"ignore_columns": ["runoff"]}, "passed"),
        ({"ignore_columns": ["year"]}, "failed"),
    ],
)
def test_tolerances_and_ignored_columns(judge, params, result):
    assert judge("tabular_diff", BASE, BASE.replace("20.0", "20.5"), **params).result == result


def test_a_tolerance_is_for_numbers_alone(judge):
    assert judge("tabular_diff", BASE, BASE.replace("nan", "3"), tolerance=1e9).result == "failed"
    assert judge("tabular_diff", BASE, BASE.replace("10.0", ""), tolerance=1e9).result == "failed"


def test_an_ignored_column_may_be_missing(judge):
    without = "outlet,runoff\n1,10.0\n2,20.0\n3,nan\n"
    assert judge("tabular_diff", BASE, without, ignore_columns=["year"]).result == "passed"
    assert judge("tabular_diff", without, BASE, ignore_columns=["year"]).result == "passed"


class TestKeys:
    SHUFFLED = "outlet,year,runoff\n3,2001,nan\n1,2001,10.0\n2,2001,20.0\n"

    def test_the_order_of_rows_counts_only_without_a_key(self, judge):
        assert judge("tabular_diff", BASE, self.SHUFFLED).result == "failed"
        assert judge("tabular_diff", BASE, self.SHUFFLED, key="outlet").result == "passed"
        assert judge("tabular_diff", BASE, self.SHUFFLED, key=["year", "outlet"]).result == "passed"

    def test_a_cell_is_named_by_its_key(self, judge):
        outcome = judge("tabular_diff", BASE, self.SHUFFLED.replace("20.0", "21"), key=["outlet", "year"])
        assert outcome.summary == "1 difference at row outlet=2, year=2001, column runoff: expected 20.0, actual 21."

    def test_a_row_in_the_middle_is_one_difference(self, judge):
        outcome = judge("tabular_diff", BASE, BASE.replace("2,2001,20.0\n", ""), key="outlet")
        assert outcome.summary == "1 difference at row outlet=2: expected 2, 2001, 20.0, actual no such row."
        outcome = judge("tabular_diff", BASE.replace("2,2001,20.0\n", ""), BASE, key="outlet")
        assert outcome.summary == "1 difference at row outlet=2: expected no such row, actual 2, 2001, 20.0."

    def test_rows_that_share_a_key_are_matched_in_order(self, judge):
        outcome = judge("tabular_diff", BASE, BASE.replace("20.0", "21"), key="year")
        assert outcome.summary == "1 difference at row year=2001, column runoff: expected 20.0, actual 21."
        assert judge("tabular_diff", BASE, BASE + "3,2001,nan\n", key="year").result == "failed"


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_delimiter_is_seen_in_the_header(judge, delimiter):
    base = BASE.replace(",", delimiter)
    outcome = judge("tabular_diff", base, base.replace("20.0", "21"))
    assert "at row 2, column runoff: " in outcome.summary


def test_the_delimiter_can_be_given(judge):
    expected, actual = "a b\n1 2\n", "a b\n1 3\n"
    assert "row 1, column a b:" in judge("tabular_diff", expected, actual).summary
    assert "row 1, column b:" in judge("tabular_diff", expected, actual, delimiter=" ").summary


def test_another_delimiter_is_a_difference(judge):
    assert judge("tabular_diff", BASE, BASE.replace(",", ";")).result == "failed"


@pytest.mark.parametrize("param", [{"key": "outlit"}, {"tolerance": {"outlit": 1}}, {"ignore_columns": ["outlit"]}])
def test_a_column_that_is_not_there_fails_with_the_nearest(judge, param):
    outcome = judge("tabular_diff", BASE, BASE, **param)
    assert outcome.result == "failed"
    assert "names a column 'outlit' that the file does not have; did you mean 'outlet'?" in outcome.summary


def test_columns_of_one_name_are_told_apart(judge):
    outcome = judge("tabular_diff", "x,x\n1,2\n", "x,x\n1,3\n")
    assert outcome.summary == "1 difference at row 1, column x (2): expected 2, actual 3."


def test_empty_cells_of_a_single_column_are_rows(judge):
    assert judge("tabular_diff", "x\n1\n\n2\n", "x\n1\n2\n").result == "failed"


@pytest.mark.parametrize("broken", [b"a,b\n\xff\xfe,1\n", b'a,b\n"1,2\n', b'a,b\n"1"x,2\n', b"\n\n"])
def test_what_is_not_a_table_fails_even_against_itself(judge, broken):
    outcome = judge("tabular_diff", broken, broken)
    assert outcome.result == "failed"
    assert outcome.summary.startswith("The expected file expected ")
    assert judge("tabular_diff", "a,b\n1,2\n", broken).summary.startswith("The actual file actual ")


@settings(deadline=None, max_examples=50)
@given(tables)
def test_every_table_equals_itself(judge, rows):
    assert judge("tabular_diff", written(rows), written(rows)).result == "passed"
    assert judge("tabular_diff", written(rows), written(rows[::-1]), key=["a", "b"]).result == "passed"


@settings(deadline=None, max_examples=50)
@given(tables, tables)
def test_without_tolerance_the_verdict_is_symmetric(judge, left, right):
    left, right = written(left), written(right)
    for params in ({}, {"key": "a"}):
        one, other = (judge("tabular_diff", *pair, **params) for pair in ((left, right), (right, left)))
        assert one.result == other.result
