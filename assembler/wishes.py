"""What a reviewer asked for: values overwritten in the log and `redacted` in the draft, requests that are no steps of it.

A wish is a `redact` record (docs/formats.md): it names a record and a pointer. The value found there is overwritten with
`*` wherever else the capture holds it, and a tombstone is appended for each place. The draft is always made from what
is on the disk after that, so a rebuilt one is the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from assembler.erasing import REDACTED, erase
from assembler.places import Place
from assembler.recording import Bodies
from assembler.shapes import SECRET

__all__ = ["dropped", "grant"]

_WORD = 4
"""Characters; shorter values are taken out where they stand alone, not inside of other words."""


def grant(
    events: Sequence[dict[str, Any]],
    places: Mapping[str, Place],
    bodies: Bodies,
    tombstones: list[dict[str, Any]],
    root: Path,
) -> list[str]:
    """Take out what `redact` records among `events` ask for, on disk and in `events`. Returns what could not be done.

    `places` says where each event (by id) stands, `tombstones` what was overwritten before. A log that cannot be
    written raises OSError.
    """
    missing: list[tuple[str, str]] = []
    values: set[str] = set()
    for event in events:
        if event["payload"].get("kind") == "redact":
            record, pointer = str(event["payload"].get("record")), str(event["payload"].get("pointer"))
            found = [v for e in _records(events, record) for v in _at(e, pointer, bodies)]
            values.update(v for v in found if v and v != REDACTED and not SECRET.fullmatch(v))
            if not found:
                missing.append((record, pointer))
    erase(events, dict.fromkeys(values, REDACTED), places, bodies, tombstones, root, word=_WORD)
    # A pointer may lead to nothing because of what was taken out around it.
    mended = {mark["record"] for mark in tombstones if mark.get("pseudonym") == REDACTED}
    return [
        f"{pointer} of the record {record} was to be taken out, but no text stands there."
        for record, pointer in missing
        if record not in mended
    ]


def dropped(events: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """The operations that `drop` records among `events` name by one of their records."""
    wanted = {
        str(record)
        for event in events
        if event["payload"].get("kind") == "drop"
        for record in event["payload"]["records"]
    }
    return frozenset(str(event["operation_id"]) for event in events if event["id"] in wanted)


def _records(events: Sequence[dict[str, Any]], record: str) -> list[dict[str, Any]]:
    """The record of this id, and where it is half of a request the other half, too."""
    for event in events:
        if event["id"] == record:
            return [event, *(e for e in events if e["operation_id"] == event["operation_id"] and e is not event)]
    return []


def _at(event: Mapping[str, Any], pointer: str, bodies: Bodies) -> Iterator[str]:
    """The texts at a pointer: into the parsed bodies of a record, or, beginning with `/payload`, into the record."""
    payload = event["payload"]
    tokens = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    if tokens[:2] == ["payload", "query"] and len(tokens) > 2:
        yield from _walk(_named(parse_qsl(str(payload.get("query") or ""), keep_blank_values=True)), tokens[2:], bodies)
        return
    if tokens[:1] == ["payload"]:
        yield from _walk(payload, tokens[1:], bodies)
        return
    for side in ("request_body", "body"):
        if payload.get(side):
            yield from _walk(payload[side], tokens, bodies)


def _walk(node: Any, tokens: Sequence[str], bodies: Bodies) -> Iterator[str]:
    for number, token in enumerate(tokens):
        if isinstance(node, dict) and "stored_encoding" in node and token not in node:
            text = bodies.text(node)
            if token.startswith("@") and token[1:].isdigit() and text is not None:
                word = re.match(r"[^\s\"'<>&,;]+", text[int(token[1:]) :])
                node = word.group() if word else None
            else:
                yield from _walk(_parsed(node, text), tokens[number:], bodies)
                return
        elif isinstance(node, dict):
            node = node.get(token)
        elif isinstance(node, list) and token.isdigit() and int(token) < len(node):
            node = node[int(token)]
        else:
            return
    if isinstance(node, dict) and "stored_encoding" in node:
        node = bodies.text(node)
    if isinstance(node, str):
        yield node
    elif isinstance(node, (int, float)) and not isinstance(node, bool):
        yield json.dumps(node)


def _parsed(body: Mapping[str, Any], text: str | None) -> Any:
    """A body as pointers see it."""
    if body.get("parts") is not None:
        pairs = [(part.get("name") or "", part.get("text")) for part in body["parts"]]
    elif (body.get("media_type") or "").startswith("application/x-www-form-urlencoded"):
        pairs = [*parse_qsl(text or "", keep_blank_values=True)]
    else:
        try:
            return json.loads(text or "")
        except (ValueError, RecursionError):
            return None
    return _named(pairs)


def _named(pairs: Sequence[tuple[str, str | None]]) -> dict[str, Any]:
    """Fields by name; one that is repeated is a list."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return {name: found[0] if len(found) == 1 else found for name, found in fields.items()}
