"""`json_exact` and `json_tolerance`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

METHODS = ["json_exact", "json_tolerance"]

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("expected", "actual", "difference"),
    [
        ('{"a": 1}', '{"a": 2}', "at /a: expected 1, actual 2"),
        ('{"a": 0.1}', '{"a": 0.10000000000000002}', "at /a: expected 0.1, actual 0.10000000000000002"),
        ("[9007199254740992]", "[9007199254740993]", "at /0"),
        ("[NaN]", "[0]", "at /0: expected nan, actual 0"),
        ("[0]", "[NaN]", "at /0: expected 0, actual nan"),
        ("[Infinity]", "[-Infinity]", "at /0"),
        ("[NaN]", "[null]", "expected NaN, actual null"),
        ("[1]", "[true]", "expected 1, actual true"),
        ("[0]", "[false]", "expected 0, actual false"),
        ('["1"]', "[1]", 'expected "1", actual 1'),
        ('{"a": null}', "{}", "at /a: expected null, actual nothing"),
        ("{}", '{"a": null}', "at /a: expected nothing, actual null"),
        ("[1, 2]", "[1]", "at /1: expected 2, actual nothing"),
        ("[1]", "[1, [2, 3]]", "at /1: expected nothing, actual an array of 2 items"),
        ("[[]]", "[{}]", "at /0: expected an array of 0 items, actual an object of 0 keys"),
        ("[1, 2]", "[2, 1]", "2 differences, the worst at /0"),
        ("1", "2", "at the root: expected 1, actual 2"),
        ('{"a/b~c": 1}', '{"a/b~c": 2}', "at /a~1b~0c: "),
        ('"a"', '"\\u001b"', 'actual "\\u001b"'),
        ('{"n": 1, "s": "a"}', '{"n": 900, "s": "b"}', "2 differences, the worst at /s"),
        ('{"a": 1, "b": 1}', '{"a": 2, "b": 5}', "2 differences, the worst at /b: expected 1, actual 5"),
    ],
)
def test_one_changed_value_fails_and_is_named(judge, method, expected, actual, difference):
    outcome = judge(method, expected, actual)
    assert outcome.result == "failed"
    assert difference in outcome.summary


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ('{"a": 1, "b": [2]}', '{\n "b": [2],\r\n "a": 1\n}'),
        ("[1, 100, 0]", "[1.0, 1e2, -0.0]"),
        ("[NaN, Infinity]", "[NaN, Infinity]"),
        ('"\\u00e9"', '"é"'),
        ('{"a": 1}', '\ufeff{"a": 1}'),
    ],
)
def test_what_means_the_same_passes(judge, method, expected, actual):
    assert judge(method, expected, actual).result == "passed"


@pytest.mark.parametrize(
    "broken",
    ["{", "nul", "1 2", " ", '{"a": 1, "a": 2}', "[" * 100_000, "1" * 5_000, '{"a": 1}\0', b'"\xff"', b"\x93NUMPY\x01"],
)
def test_what_is_not_json_fails_even_against_itself(judge, broken):
    outcome = judge("json_exact", broken, broken)
    assert outcome.result == "failed"
    assert outcome.summary.startswith("The expected file expected cannot be read as JSON: ")


def test_deep_documents_are_walked(judge):
    deep = "[" * 400 + "1" + "]" * 400
    assert judge("json_exact", deep, deep).result == "passed"
    assert judge("json_exact", deep, deep.replace("1", "2")).result == "failed"


def test_many_differences_are_counted_and_the_worst_shown(judge):
    outcome = judge("json_exact", json.dumps(list(range(5_000))), json.dumps([n * 2 for n in range(5_000)]))
    assert outcome.summary == "4,999 differences, the worst at /4999: expected 4999, actual 9998."
    assert len(outcome.details) == 22
    assert outcome.details[-1] == "… and 4,979 more"


@pytest.mark.parametrize(
    ("params", "result"),
    [
        ({"tolerance": 0.5}, "passed"),
        ({"tolerance": "5e-1"}, "passed"),
        ({"tolerance": 0.49}, "failed"),
        ({"tolerance": 0.05, "relative": True}, "passed"),
        ({"tolerance": 0.04, "relative": True}, "failed"),
        ({"tolerance": {"/outlets/*/runoff": 0.5}}, "passed"),
        ({"tolerance": {"/outlets/0/runoff": 0.5}}, "passed"),
        ({"tolerance": {"/outlets/*/runoff": {"relative": 0.05}}}, "passed"),
        ({"tolerance": {"/outlets/*/runoff": {"relative": 0.04, "absolute": 0.4}}}, "failed"),
        ({"tolerance": {"/**": 0.5}}, "passed"),
        ({"tolerance": {"/**/runoff": 0.5}}, "passed"),
        ({"tolerance": {"/*/runoff": 0.5}}, "failed"),
        ({"tolerance": {"/outlets/1/runoff": 0.5}}, "failed"),
        ({"tolerance": {"/outlets/0": 0.5}}, "failed"),
        ({"tolerance": {"/outlets/0/run.ff": 0.5}}, "failed"),
        ({"tolerance": {"/outlets/0/runoff": 0.1, "/**": 0.5}}, "failed"),  # the first that fits decides
    ],
)
def test_a_tolerance_holds_where_it_is_meant_to(judge, params, result):
    expected, actual = ({"outlets": [{"runoff": runoff, "name": "a"}]} for runoff in (10, 10.5))
    assert judge("json_tolerance", json.dumps(expected), json.dumps(actual), **params).result == result


def test_a_misspelt_pattern_is_named_with_the_nearest_place_that_differs(judge):
    given = {"/outlets/*/runof": 1, "/outlets/*/area": 1}
    expected, actual = (json.dumps({"outlets": [{"runoff": runoff, "area": 1}]}) for runoff in (1, 2))
    outcome = judge("json_tolerance", expected, actual, tolerance=given)
    said = "The tolerance for '/outlets/*/runof' fitted no number; did you mean '/outlets/0/runoff'?"
    assert outcome.details[-1] == said
    assert judge("json_tolerance", expected, expected, tolerance=given).details == []


def test_a_tolerance_is_for_numbers_alone(judge):
    assert judge("json_tolerance", "[1]", "[true]", tolerance=9).result == "failed"
    assert judge("json_tolerance", "[NaN]", "[1]", tolerance=9).result == "failed"
    assert judge("json_tolerance", '["1"]', '["2"]', tolerance=9).result == "failed"
    assert judge("json_tolerance", "[1]", "[1, 2]", tolerance=9).result == "failed"


@settings(deadline=None, max_examples=50)
@given(documents)
def test_every_document_equals_itself(judge, document):
    written = json.dumps(document)
    assert all(judge(method, written, json.dumps(document, indent=1)).result == "passed" for method in METHODS)


@settings(deadline=None, max_examples=50)
@given(documents, documents)
def test_without_tolerance_the_verdict_is_symmetric(judge, left, right):
    left, right = json.dumps(left), json.dumps(right)
    assert judge("json_exact", left, right).result == judge("json_exact", right, left).result
