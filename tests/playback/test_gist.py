"""An error page in a line: what it says, without what it must not say."""

from __future__ import annotations

import pytest

from assembler.extractors import Answer
from playback.gist import LONGEST, gist

HTML = ("content-type", "text/html")


def said(text: str | None, *headers: tuple[str, str]) -> str | None:
    return gist(Answer(500, list(headers), text))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"detail": "No such run"}', "No such run"),
        ('{"error": {"code": 3}, "status": 500}', '{"code": 3}'),
        ('{"ok": false}', '{"ok": false}'),
        ('["a", "b"]', '["a", "b"]'),
        ("Traceback (most recent call last):\n  File 'x'\nValueError: no rows\n\nmore", "ValueError: no rows"),
        ("a\nmysite.errors.DataError: x\nduring that\nZeroDivisionError\n", "ZeroDivisionError"),
        ("Not\n\n  found \nhere\nand more", "Not · found · here"),
        ("", None),
        (None, None),
        (" \n ", None),
    ],
)
def test_of_json_and_text(text: str | None, line: str | None) -> None:
    assert said(text) == line


def test_of_a_page_its_words_and_not_its_markup() -> None:
    page = "<title>Internal Server Error</title><style>b{}</style><body><h1>Oops</h1><p>KeyError: 'slope'</p>"
    assert said(page, HTML) == "KeyError: 'slope'"
    assert (
        said("<title>502 Bad Gateway</title><body><h1>502 Bad Gateway</h1><hr>nginx", HTML) == "502 Bad Gateway · nginx"
    )
    assert said("<", HTML) == "<"


def test_it_is_short_and_holds_no_secret() -> None:
    line = said("x" * 5000)
    assert line is not None
    assert len(line) == LONGEST
    assert "hunter2hunter2" not in (said('{"error": "login with password=hunter2hunter2 failed"}') or "")
    assert said("[" * 100_000) is not None
