"""The rule for numbers that all comparators share."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playback.comparators.numeric import deviation, is_number, parse_number, same_number

NAN, INF = math.nan, math.inf
HUGE = 10**400  # beyond the range of a double

numbers = st.integers() | st.floats() | st.just(HUGE)
tolerances = st.floats(min_value=0, allow_infinity=False)


@pytest.mark.parametrize(
    ("expected", "actual", "tolerance", "relative", "same"),
    [
        (1, 1.0, 0, False, True),
        (0.0, -0.0, 0, False, True),
        (NAN, NAN, 0, False, True),
        (NAN, 1, 1e300, False, False),
        (1, NAN, 1e300, True, False),
        (INF, INF, 0, True, True),
        (INF, -INF, 1e300, False, False),
        (INF, 1, 1, True, False),  # a fraction of infinity would allow everything
        (1, INF, 1e300, False, False),
        (10, 10.5, 0.5, False, True),
        (10, 10.5, 0.49, False, False),
        (200, 202, 0.01, True, True),
        (-200, -202, 0.01, True, True),
        (200, 202.1, 0.01, True, False),
        (0, 1e-300, 1, True, False),
        (2**53, 2**53 + 1, 0, False, False),
        (HUGE, HUGE + 1, 0, False, False),
        (HUGE, HUGE + 1, 1, False, True),
        (HUGE, 1.5, 1e300, False, False),
        (HUGE, NAN, 1, True, False),
    ],
)
def test_same_number(expected, actual, tolerance, relative, same):
    assert same_number(expected, actual, tolerance, relative) is same


@settings(deadline=None)
@given(numbers, tolerances, st.booleans())
def test_every_number_equals_itself(number, tolerance, relative):
    assert same_number(number, number, tolerance, relative)


@settings(deadline=None)
@given(numbers, numbers, tolerances)
def test_an_absolute_tolerance_is_symmetric(left, right, tolerance):
    assert same_number(left, right, tolerance) is same_number(right, left, tolerance)


@settings(deadline=None)
@given(numbers.filter(lambda n: n == n), tolerances, st.booleans())
def test_nan_equals_nothing_else(number, tolerance, relative):
    assert not same_number(NAN, number, tolerance, relative)
    assert not same_number(number, NAN, tolerance, relative)


@settings(deadline=None)
@given(numbers, numbers)
def test_a_deviation_is_never_nan(left, right):
    assert deviation(left, right) >= 0


@pytest.mark.parametrize(("value", "number"), [(1, True), (1.5, True), (NAN, True), (True, False), ("1", False)])
def test_a_bool_is_not_a_number(value, number):
    assert is_number(value) is number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-12", -12),
        ("+1.50", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e-6", 1e-6),
        ("1E3", 1000.0),
        ("12345678901234567891", 12345678901234567891),
        ("-inf", -INF),
        ("002299", None),
        ("-01", None),
        ("1e999", None),
        ("1_000", None),
        ("1,5", None),
        (" 1", None),
        ("1\n", None),
        ("٣", None),
        ("", None),
        (".", None),
        ("-", None),
        ("e5", None),
        ("9" * 5000, None),
    ],
)
def test_parse_number(text, number):
    parsed = parse_number(text)
    assert parsed == number
    assert type(parsed) is type(number)


def test_nan_is_read_however_it_is_written():
    assert all(math.isnan(parse_number(text)) for text in ("nan", "NaN", "-NAN"))


@settings(deadline=None)
@given(st.integers() | st.floats())
def test_parse_number_reads_what_python_writes(number):
    assert same_number(parse_number(repr(number)), number)
