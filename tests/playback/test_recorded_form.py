"""A live answer in the recording's own terms: what corresponds stays, what differs comes with recorded ids."""

from __future__ import annotations

import json

import pytest

from playback.bijection import Bijection, Moment
from playback.recorded_form import Place, RecordedForm

MOMENT = Moment(1_767_607_200.0, 1_795_177_800.0)
PLACE = Place("get", "/api/orders", MOMENT)
SECRET = "secret-csrf-0123456789abcdef0123456789abcdef"
REF, OTHER = "9b2fbe0c-7b0e-4c3e-9d55-0f4ad4c1f001", "3c0d0c2e-2f8b-4a52-8a3c-6d0f4d0b7a02"
TOKEN = "Zx81-Live9Token-77qQpw"


@pytest.fixture
def form() -> RecordedForm:
    """A replay in which order 1 is 6 and order 4711 is 9822, its reference another, a token known, and a run."""
    known = Bijection(set)
    known.bind_number("key:order_id", "1", "6")
    known.bind_number("key:order_id", "4711", "9822")
    known.bind("uuid", REF, OTHER)
    known.know(SECRET, TOKEN)
    known.know("bashful-moraine", "profile;;tmp;;00ff")
    return RecordedForm(known, [SECRET], ["correct-horse"])


def body(form: RecordedForm, media_type: str, recorded: str | None, live: str) -> str:
    was = None if recorded is None else recorded.encode()
    return form.body(PLACE, media_type, was, live.encode()).decode()


def test_lines_that_only_changed_places_stay_recorded(form: RecordedForm) -> None:
    recorded = f"id,ref,what\n1,{REF},anvil\n1,{REF},bolt\n"
    live = f"id,ref,what\n6,{OTHER},bolt\n6,{OTHER},anvil\n"
    assert body(form, "text/csv", recorded, live) == f"id,ref,what\n1,{REF},bolt\n1,{REF},anvil\n"


def test_a_whole_new_answer(form: RecordedForm) -> None:
    live = {
        "order_id": 6,
        "ref": OTHER,
        "quantity": 6,
        "url": "/api/orders/6/lines",
        "note": "order 9822",
        "run": "profile;;tmp;;00ff",
    }
    told = json.loads(body(form, "application/json", None, json.dumps(live)))
    assert told == {
        "order_id": 1, "ref": REF, "quantity": 6, "url": "/api/orders/1/lines", "note": "order 4711", "run": "bashful-moraine"
    }  # fmt: skip


def test_a_page(form: RecordedForm) -> None:
    recorded = f'<p>Order 1</p><a href="/orders/1">more</a><input name="csrf_token" value="{SECRET}">'
    live = f'<h1>New</h1><p>Order 6</p><a href="/orders/6">more</a><input name="csrf_token" value="{TOKEN}">'
    assert body(form, "text/html", recorded, live) == f"<h1>New</h1>{recorded}"


@pytest.mark.parametrize("media_type", ["application/json", "text/html", "text/plain", "application/xml"])
def test_no_secret_in_any_escaping(form: RecordedForm, media_type: str) -> None:
    live = {
        "application/json": json.dumps(
            {"a": TOKEN, "b": f"x {TOKEN} y", "c": "correct-horse", "api_key": "k3y-k3y-k3y-k3y"}
        ),
        "text/html": f'<a href="/x?t={TOKEN}">correct-horse</a><meta name="csrf-token" content="k3y-k3y-k3y-k3y">',
        "text/plain": f"token={TOKEN} correct-horse\napi_key=k3y-k3y-k3y-k3y\n",
        "application/xml": f"<r><password>k3y-k3y-k3y-k3y</password><t>{TOKEN}</t></r>",
    }[media_type]
    told = body(form, media_type, None, live)
    assert TOKEN not in told
    assert "k3y" not in told
    assert "correct-horse" not in told
    assert SECRET in told


def test_bytes_stay_bytes(form: RecordedForm) -> None:
    assert form.body(PLACE, "image/png", b"\x89PNG\0old", b"\x89PNG\0new") == b"\x89PNG\0new"
