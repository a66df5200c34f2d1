"""Choices that a page offers: what they send may be an id, what they say is text."""

from __future__ import annotations

import pytest

from playback.answers import Comparer
from playback.bijection import Bijection, Moment

SELECT = """<form action="/tickets"><select name="do"><option value="assign_{0}">Ann</option>
<option value="assign_{1}">Bob</option></select></form>"""
BOXES = """<form action="/tickets"><input type="checkbox" name="queue" value="{0}" id="q0"><label for="q0">Sales</label>
<label><input type="checkbox" name="queue" value="{1}"> Support</label></form>"""


def differences(recorded: str, live: str) -> list[str]:
    comparer = Comparer(Bijection(), Moment(0.0, 0.0), "step", path="/tickets")
    comparer.body("text/html", recorded.encode(), live.encode())
    comparer.settle()
    return [m.where for m in comparer.mismatches]


@pytest.mark.parametrize("page", [SELECT, BOXES], ids=["select", "boxes"])
def test_the_ids_of_another_instance_are_the_same_choices(page: str) -> None:
    assert differences(page.format(1, 2), page.format(11, 12)) == []


@pytest.mark.parametrize("page", [SELECT, BOXES], ids=["select", "boxes"])
def test_choices_in_another_order_are_seen(page: str) -> None:
    assert differences(page.format(1, 2), page.format(12, 11)) != []
    assert differences(page.format(1, 2), page.format(2, 2)) != []


def test_another_label_is_another_choice() -> None:
    assert differences(BOXES.format(1, 2), BOXES.format(1, 2).replace("Sales", "Sails")) != []


def test_a_number_that_the_label_says_is_no_id() -> None:
    page = '<form action="/x"><label><input type="radio" name="stars" value="{0}">{0}</label></form>'
    assert differences(page.format(3), page.format(4)) != []
    page = '<form action="/x"><select name="span"><option value="last_{0}">last {0} days</option></select></form>'
    assert differences(page.format(30), page.format(31)) != []


def test_a_box_without_a_label_counts_nothing_by_itself() -> None:
    page = '<form action="/x"><input type="checkbox" name="agreed" value="{0}"></form>'
    assert differences(page.format(1), page.format(2)) != []


TABLE = (
    "<table><tr><th>ID</th><th>Qty</th></tr><tr><td>{0}</td><td>{1}</td></tr><tr><td>{2}</td><td>5</td></tr></table>"
)


def test_numbers_in_a_column_that_is_called_id() -> None:
    assert differences(TABLE.format(3, 7, 4), TABLE.format(11, 7, 12)) == []
    assert differences(TABLE.format(3, 7, 4), TABLE.format(11, 8, 12)) != []
    assert differences(TABLE.format(3, 7, 4), TABLE.format(12, 7, 11)) != []
    assert differences(TABLE.format(3, 7, 4), TABLE.format(11, 7, 11)) != []


def test_a_number_beside_the_heading_id() -> None:
    page = "<table><tr><th>Order id</th><td>{0}</td></tr><tr><th>Lines</th><td>{1}</td></tr></table>"
    assert differences(page.format(3, 2), page.format(11, 2)) == []
    assert differences(page.format(3, 2), page.format(3, 1)) != []
