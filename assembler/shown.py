"""What a reviewer sees of a step: what was sent, in names and values, each with the place that a wish to redact names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from assembler.recording import Bodies, Exchange
from assembler.shapes import SECRET

__all__ = ["shown"]

_MOST = 60
"""Values of one step that are shown."""
_LONGEST = 200
"""Characters of a value."""


def shown(exchanges: Sequence[Exchange], bodies: Bodies) -> dict[str, Any]:
    """The requests behind one step, the last of which found what the others asked for.

    `records` are all of them; the rest tells of the last one. A value that is a secret has no text.
    """
    last = exchanges[-1]
    values = [*_query(last.query), *_body(last.request_body, bodies)]
    return {
        "records": [exchange.operation_id for exchange in exchanges],
        "asked": last.path,
        "sent": [_value(*each) for each in values[:_MOST]],
        "more": max(0, len(values) - _MOST),
    }


def _value(name: str, pointer: str, value: str, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "pointer": pointer, "in": kind}
    if SECRET.fullmatch(value):
        return {**found, "secret": True}
    return {**found, "value": value[:_LONGEST], "cut": len(value) > _LONGEST}


def _query(query: str) -> Iterator[tuple[str, str, str, str]]:
    return _fields(parse_qsl(query, keep_blank_values=True), "/payload/query", "query")


def _fields(pairs: Sequence[tuple[str, str]], below: str, kind: str) -> Iterator[tuple[str, str, str, str]]:
    """Repeated names are a list, as in the pointers of the log (docs/formats.md)."""
    names = [name for name, _ in pairs]
    for number, (name, value) in enumerate(pairs):
        which = f"/{names[:number].count(name)}" if names.count(name) > 1 else ""
        yield name, f"{below}/{_token(name)}{which}", value, kind


def _body(body: Mapping[str, Any] | None, bodies: Bodies) -> Iterator[tuple[str, str, str, str]]:
    if body is None:
        return
    if body.get("parts") is not None:
        yield from _fields(
            [(p.get("name") or "", p["text"]) for p in body["parts"] if p.get("text") is not None], "", "form"
        )
        for number, part in enumerate(body["parts"]):
            if part.get("filename"):
                yield part.get("name") or "", f"/payload/request_body/parts/{number}/filename", part["filename"], "file"
        return
    text = bodies.text(body)
    if not text:
        return
    if (body.get("media_type") or "").startswith("application/x-www-form-urlencoded"):
        yield from _fields(parse_qsl(text, keep_blank_values=True), "", "form")
        return
    try:
        yield from _leaves(json.loads(text), (), "")
    except (ValueError, RecursionError):
        yield "text", "/payload/request_body", text, "body"


def _leaves(node: Any, names: tuple[str, ...], pointer: str) -> Iterator[tuple[str, str, str, str]]:
    if isinstance(node, (dict, list)):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _leaves(value, (*names, str(key)), f"{pointer}/{_token(str(key))}")
    elif pointer:
        yield ".".join(names), pointer, node if isinstance(node, str) else json.dumps(node), "json"


def _token(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
