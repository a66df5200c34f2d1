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
