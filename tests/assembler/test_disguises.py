"""Values that may be secrets are found in whichever escaping they stand."""

from __future__ import annotations

import html
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from assembler.disguises import values

VALUES = {
    "plain": "a8f5f167f44f4964e6c998dee827110c",
    "base64": "Zx1kQw+9vJ3m/TtWb8sdK2==",
    "signed": "IjA4ZmQyN2E5Y2U4NyI.Zx1kQw.q9vJ3mTtWb",
    "odd": "q9&vJ3\"m<Tt'W>b é8sd\\k1",
}
WRITTEN: dict[str, Callable[[str], str]] = {
    "itself": lambda value: value,
    "a string of a script": lambda value: f"<script>boot({json.dumps(value)}, 'it')</script>",
    "escaped slashes": lambda value: f"<script>boot({json.dumps(value).replace('/', chr(92) + '/')})</script>",
    "a literal with `": lambda value: f"boot(`{json.dumps(value)[1:-1]}`)",
    "text": lambda value: f"<p>don't say <b>{html.escape(value)}</b>, it's</p>",
    "an attribute": lambda value: f'<div title="it\'s" data-boot="{html.escape(value)}">x</div>',
    "entities": lambda value: f"<i data-x='{''.join(c if c.isalnum() else f'&#{ord(c)};' for c in value)}'>x</i>",
    "a call in an attribute": lambda value: f'<b onclick="go({html.escape(json.dumps(value))})">x</b>',
    "an address": lambda value: f'<a href="/go?t={quote(value, safe="")}&amp;n=1">x</a>',
    "a path": lambda value: f'<a href="/go/{quote(value, safe="")}/now">x</a>',
    "a form": lambda value: f"a=1&t={quote_plus(value)}&b=2",
    "JSON in an attribute": lambda value: f'<div data-props="{html.escape(json.dumps({"t": value}))}">x</div>',
    "JSON in JSON": lambda value: json.dumps({"a": json.dumps({"t": value})}),
    "JSON in an address": lambda value: f'<a href="/go?state={quote(json.dumps({"t": value}))}">x</a>',
    "base64": lambda value: f'<div data-b="{b64encode(value.encode()).decode()}">x</div>',
    "base64 in a path": lambda value: f"<a href='/b/{urlsafe_b64encode(value.encode()).decode().rstrip('=')}/x'>x</a>",
    "JSON in base64": lambda value: b64encode(json.dumps({"n": 1, "t": value}).encode()).decode(),
    "behind a user's name": lambda value: f"Basic {b64encode(f'ada:{value}'.encode()).decode()}",
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_it_is_found(written: Callable[[str], str], value: str) -> None:
    assert value in values(written(value))


def test_words_and_prose_are_few() -> None:
    page = "<p>" + "The quick brown fox jumps over the lazy dog, and nobody minds. " * 200 + "</p>"
    assert len(values(page)) < 5


def test_what_only_looks_escaped_is_left_alone() -> None:
    for text in ("100%, &c; \\", "%zz%", "&#xffffffff;", "\\u{ffffff}", "=" * 40, "QUJD" * 400, '"' * 99 + "\\" * 99):
        assert all(len(found) >= 12 for found in values(text))
