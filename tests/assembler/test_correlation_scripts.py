"""Tokens in strings of scripts: what they are made of is not in the recording."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from assembler.extractors import Answer, evaluate
from tests.assembler.recorded import PAGE, Call, get, profile_of

RECORDED, LIVE = "Zx1kQw9vJ3mTtWb8sdKx27q", "b8/sd+Kx;27q,Zx1)kQ&w9=="


def page(token: str) -> str:
    return f"<p>Save?</p><script>boot({{csrfToken: {token}, next: '/save'}})</script>"


@pytest.mark.parametrize(
    "written",
    [
        json.dumps,
        lambda token: json.dumps(token).replace("/", "\\/"),
        lambda token: f"'{token}'",
        lambda token: json.dumps(token).replace("&", "\\u0026"),
    ],
    ids=["JSON", "escaped slashes", "single quotes", "escaped ampersands"],
)
def test_it_goes_from_quote_to_quote_and_is_read_as_a_string(tmp_path: Path, written: Callable[[str], str]) -> None:
    sent = Call("POST", "/save", sent=[("x-csrf-token", RECORDED)])
    profile = profile_of(tmp_path, [get("/", page(written(RECORDED))), sent])
    (extract,) = profile.steps[0].extract.values()
    assert evaluate(extract, Answer(200, [PAGE], page(written(LIVE)))) == LIVE
    assert evaluate(extract, Answer(200, [PAGE], "<p>Save?</p>")) is None


def test_the_context_of_a_value_holds_no_half_of_something_random(tmp_path: Path) -> None:
    page = '<script nonce="Qmr8nQgONxAXgXPtRtIDBQ">window.APP = {"csrf": "%s", "user": "ann"};</script>'
    token, other = "k3Jd83mXqTz5Rb2WnYp7Lc9HsJf4Ga6V", "w9Qd83mXqTz5Rb2WnYp7Lc9HsJf4Ga6V"
    profile = profile_of(
        tmp_path, [get("/", page % token), Call("POST", "/save", "{}", sent=[("x-csrf-token", token)])]
    )
    (extract,) = profile.steps[0].extract.values()
    anew = (page % other).replace("Qmr8nQgONxAXgXPtRtIDBQ", "Tz8kLmWvBnCxYpRqStJdHf")
    assert evaluate(extract, Answer(200, [PAGE], anew)) == other
