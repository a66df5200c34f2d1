"""The places of a recorded body, named as reports name them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from playback.documents import read_json
from playback.markup import read_page
from playback.wording import escape

__all__ = ["covers_all", "leaves"]


def covers_all(media_type: str, body: bytes, places: set[str]) -> bool:
    """True when `places` are everything there is to compare in a body."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return "body" in places
    every = list(leaves(media_type, text))
    return bool(every) and all(_within(leaf, places) for leaf in every)


def leaves(media_type: str, text: str) -> Iterator[str]:
    """Every value of JSON, every visible text of a page, every line of any other text that is not blank."""
    if (document := read_json(media_type, text)) is not None:
        yield from _values("body:", document.value)
    elif media_type in ("text/html", "application/xhtml+xml"):
        page = read_page(text)
        yield from (f"body:text {n}" for n, shown in enumerate(page.text, 1) if shown.strip())
        yield from (f"body:link {n}" for n in range(1, len(page.links) + 1))
        yield from (f"body:form {n}" for n in range(1, len(page.forms) + 1))
    else:
        yield from (f"body:line {n}" for n, line in enumerate(text.splitlines(), 1) if line.strip())


def _values(where: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _values(f"{where}/{escape(key)}", inner)
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _values(f"{where}/{index}", inner)
    else:
        yield where


def _within(leaf: str, places: set[str]) -> bool:
    """True when a place is the leaf or holds it."""
    return any(place in ("body", leaf) or leaf.startswith((f"{place}/", f"{place} ")) for place in places)
