"""A text read as JSON: one document, or one a line (NDJSON, server-sent events)."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

__all__ = ["Document", "read_json"]


class Document(NamedTuple):
    """What a text holds. A tuple of one, for `null` is a document too."""

    value: Any


def read_json(media_type: str, text: str) -> Document | None:
    """The document in `text`, or None where it is none. Its media type need not say so, but may not say markup."""
    declared = "json" in media_type
    if not declared and (text.lstrip()[:1] not in ("{", "[") or media_type.endswith(("html", "xml"))):
        return _lines(text) if media_type == "text/event-stream" else None
    try:
        return Document(json.loads(text))
    except (ValueError, RecursionError):
        return _lines(text) if declared else None


def _lines(text: str) -> Document | None:
    """Each line that is a document as one, others as text; None where there is no such line."""
    lines = [_line(line) for line in text.splitlines() if line.strip()]
    return Document(lines) if any(not isinstance(line, str) for line in lines) else None


def _line(line: str) -> Any:
    field, colon, rest = line.partition(":")
    sent = rest if colon and field == "data" else line
    try:
        value = json.loads(sent)
    except (ValueError, RecursionError):
        return line
    return line if not isinstance(value, (dict, list)) else {"data": value} if sent is rest else value
