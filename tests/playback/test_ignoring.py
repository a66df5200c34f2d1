"""Ignore rules: `*` is any text, everything else is itself."""

from __future__ import annotations

import json

import pytest

from assembler.profile import Ignore
from playback.answers import Comparer
from playback.bijection import Bijection, Moment
from playback.ignoring import applies, literal

PLACES = ["body:/items[0]", "body:/items[01]", "body:/a*", "body:/a[*]", "body:/why?", "body:/[!x]", "body:/\n", "body"]


def covers(where: str, place: str, step: str = "*") -> bool:
    return applies(Ignore(step=step, where=where, why=""), "get-a", place)


@pytest.mark.parametrize("place", PLACES)
def test_an_exact_rule_covers_its_place_alone(place: str) -> None:
    assert [
        other for other in [*PLACES, "body:/ab", "body:/items0", "body:/whyx"] if covers(literal(place), other)
    ] == [place]


def test_a_place_copied_from_a_report() -> None:
    assert covers("body:/items[0]", "body:/items[0]")
    assert not covers("body:/items[0]", "body:/items0")


def test_stars() -> None:
    assert covers("body:/items/*/token", "body:/items/17/token")
    assert not covers("body:/items/*/token", "body:/items/17/tokens")
    assert covers("body", "body", step="get-*")
    assert not covers("body", "body", step="post-*")


def test_the_comparer_hides_that_place_and_counts_it() -> None:
    rule = Ignore(where=literal("body:/load[1]"), why="varies")
    comparer = Comparer(Bijection(set), Moment(0, 0), "get-a", [rule])
    comparer.json("body:", {"load[1]": "low", "load1": "low"}, {"load[1]": "high", "load1": "high"})
    assert [m.where for m in comparer.mismatches] == ["body:/load1"]
    assert json.dumps(comparer.masked.reasons) == '{"ignored: varies": 1}'
