"""JSON that a page hands to its scripts in an attribute is compared by value, like any other."""

from __future__ import annotations

import html
import json
from typing import Any

from playback.answers import Comparer
from playback.bijection import Bijection, Moment


def differences(recorded: Any, live: Any) -> list[str]:
    comparer = Comparer(Bijection(), Moment(0.0, 0.0), "step", path="/boxes")
    pages = [f'<p>Boxes</p><div data-props="{html.escape(json.dumps(props))}"></div>' for props in (recorded, live)]
    comparer.body("text/html", pages[0].encode(), pages[1].encode())
    comparer.settle()
    return [m.where for m in comparer.mismatches]


def test_other_ids_are_the_same_page() -> None:
    assert differences({"boxes": [{"id": 1, "name": "Toys"}]}, {"boxes": [{"id": 8, "name": "Toys"}]}) == []


def test_another_value_is_another_page() -> None:
    assert differences({"boxes": [{"id": 1, "name": "Toys"}]}, {"boxes": [{"id": 1, "name": "Tools"}]}) != []


def test_a_row_that_is_missing_is_seen() -> None:
    assert differences([{"id": 1}, {"id": 2}], [{"id": 1}]) != []


def test_what_is_no_json_is_decoration() -> None:
    comparer = Comparer(Bijection(), Moment(0.0, 0.0), "step")
    comparer.body("text/html", b'<p x-data="{ open: false }">a</p>', b'<p x-data="{ open: true }">a</p>')
    assert comparer.mismatches == []


def of_page(recorded: str, live: str) -> list[str]:
    comparer = Comparer(Bijection(), Moment(100.0, 100.0), "step")
    comparer.body("text/html", recorded.encode(), live.encode())
    comparer.settle()
    return [m.where for m in comparer.mismatches]


def test_how_long_ago_may_stand_in_two_elements() -> None:
    assert of_page("<p>by Ann <a>0 seconds</a> ago</p>", "<p>by Ann <a>1 second</a> ago</p>") == []
    assert of_page("<p>by Ann <a>1 second</a> ago</p>", "<p>by Ann <a>9 days</a> ago</p>") != []
    assert of_page("<p>lasts <a>1 second</a> in all</p>", "<p>lasts <a>2 seconds</a> in all</p>") != []


def test_a_bare_amount_beside_its_moment_is_an_age() -> None:
    page = '<td><a title="See timeline at 2026-11-20 12:30:25">{0}</a></td>'
    assert of_page(page.format("0 seconds"), page.format("2 seconds")) == []
    assert of_page(page.format("0 seconds"), page.format("9 days")) != []
    assert of_page("<td>0 seconds</td>", "<td>2 seconds</td>") != []
