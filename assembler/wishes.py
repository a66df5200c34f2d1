"""Values that a reviewer asked to have taken out: overwritten in the log, `redacted` in the draft.

A wish is a `redact` record (docs/formats.md): it names a record and a pointer. The value found there is overwritten with
`*` wherever else the capture holds it, and a tombstone is appended for each place. The draft is always made from what
is on the disk after that, so a rebuilt one is the same.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import orjson

from assembler.late import Place, bury, remember, spellings
from assembler.recording import Bodies
from assembler.shapes import SECRET

__all__ = ["REDACTED", "grant", "restore"]

REDACTED = "redacted"
_WORD = 4
"""Characters; shorter values are taken out where they stand alone, not inside of other words."""
_OURS = {
    "sha256", "ref", "media_type", "encoding", "stored_encoding", "method", "scheme", "http_version", "pseudonym", "pointer",
}  # fmt: skip
"""Keys of a payload whose values are the recorder's own."""


@dataclass(frozen=True)
class _Hit:
    """One place of one record that holds a value: `where` below the payload, in the spelling it has there."""

    event: dict[str, Any]
    where: tuple[str | int, ...]
    spelled: str


def grant(
    events: Sequence[dict[str, Any]],
    places: Mapping[str, Place],
    bodies: Bodies,
    tombstones: Sequence[Mapping[str, Any]],
    root: Path,
) -> list[str]:
    """Take out what `redact` records among `events` ask for, on disk and in `events`. Returns what could not be done.

    `places` says where each event (by id) stands, `tombstones` what was overwritten before. A log that cannot be
    written raises OSError.
    """
    notes: list[str] = []
    values: set[str] = set()
    for event in events:
        if event["payload"].get("kind") == "redact":
            record, pointer = str(event["payload"].get("record")), str(event["payload"].get("pointer"))
            found = [v for e in _records(events, record) for v in _at(e, pointer, bodies)]
            values.update(v for v in found if v and v != REDACTED and not SECRET.fullmatch(v))
            if not found:
                notes.append(f"{pointer} of the record {record} was to be taken out, but no text stands there.")
    hits = [hit for value in sorted(values, key=len, reverse=True) for e in events for hit in _hits(e, value, bodies)]
    buried: dict[str, list[Mapping[str, Any]]] = {}
    for hit in hits:  # first all of the disk: two records may share one body
        length = _overwrite(hit, places, bodies)
        buried.setdefault(hit.event["id"], []).append(
            {"record": hit.event["id"], "pointer": _pointer(hit.where), "pseudonym": REDACTED, "length": length}
        )
    for event in events:
        if (marks := buried.get(event["id"])) and (place := places.get(event["id"])):
            event["payload"] = _line(place)["payload"]
            remember([event], tombstones, bodies)
            restore([event], [*tombstones, *marks], bodies)
            for mark in marks:
                bury(event, str(mark["pointer"]), REDACTED, int(mark["length"]), _digest(event, mark), place, root)
    return notes


def restore(events: Iterable[dict[str, Any]], tombstones: Iterable[Mapping[str, Any]], bodies: Bodies) -> None:
    """Put `redacted` where `*` stands for a value that was taken out."""
    by_record: dict[str, list[Mapping[str, Any]]] = {}
    for mark in tombstones:
        if mark.get("pseudonym") == REDACTED:
            by_record.setdefault(str(mark.get("record")), []).append(mark)
    for event in events:
        for mark in by_record.get(event["id"], ()):
            for where, text in _strings(event["payload"], bodies):
                if _pointer(where) == mark["pointer"]:
                    stars = rf"(?<!\*)\*{{{int(mark['length'])}}}(?!\*)"
                    if text.lstrip()[:1] in ("{", "["):  # a number has no quotes; a word needs them
                        text = re.sub(rf"([:\[,]\s*){stars}(?=\s*[,\]}}])", rf'\1"{REDACTED}"', text)
                    _put(event["payload"], where, re.sub(stars, REDACTED, text))


# ---------------------------------------------------------------------------------------------------- what is meant


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
        except ValueError:
            return None
    fields: dict[str, Any] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return {name: found[0] if len(found) == 1 else found for name, found in fields.items()}


# ---------------------------------------------------------------------------------------------------- where it stands


def _strings(
    payload: Any, bodies: Bodies, at: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text of a payload with the way to it; a body that is stored apart stands for its text."""
    if isinstance(payload, str):
        yield at, payload
    elif isinstance(payload, list):
        for index, value in enumerate(payload):
            yield from _strings(value, bodies, (*at, index))
    elif isinstance(payload, dict):
        if payload.get("ref") and at in (("request_body",), ("body",)) and (text := bodies.text(payload)) is not None:
            yield (*at, "text"), text
        for key, value in payload.items():
            if key not in _OURS:
                yield from _strings(value, bodies, (*at, key))


def _hits(event: dict[str, Any], value: str, bodies: Bodies) -> list[_Hit]:
    if event["payload"].get("kind") == "redact":
        return []
    found = []
    for where, text in _strings(event["payload"], bodies):
        for spelled in sorted(spellings(value), key=len, reverse=True):
            if _pattern(spelled).search(text):
                found.append(_Hit(event, where, spelled))
                text = _pattern(spelled).sub("", text)
    return found


def _pattern(spelled: str) -> re.Pattern[str]:
    exact = re.escape(spelled)
    return re.compile(exact if len(spelled) >= _WORD else rf"(?<![^\W_]){exact}(?![^\W_])")


# ---------------------------------------------------------------------------------------------------- taking it out


def _line(place: Place) -> dict[str, Any]:
    with place.log.open("rb") as file:
        file.seek(place.offset)
        record: dict[str, Any] = orjson.loads(file.readline())
    return record


def _overwrite(hit: _Hit, places: Mapping[str, Place], bodies: Bodies) -> int:
    """Overwrite the value on the disk; everything else stays where it is. Returns how many `*` stand there now."""
    body = hit.event["payload"].get(str(hit.where[0]))
    if isinstance(body, dict) and body.get("ref") and hit.where[1:] == ("text",):
        length = len(hit.spelled.encode())
        if path := bodies.path(body["ref"]):
            text = path.read_bytes().decode("utf-8")
            with path.open("r+b") as file:
                file.write(_pattern(hit.spelled).sub("*" * length, text).encode())
                file.flush()
                os.fsync(file.fileno())
        return length
    length = len(orjson.dumps(hit.spelled)) - 2
    if place := places.get(hit.event["id"]):
        with place.log.open("r+b") as file:
            file.seek(place.offset)
            line = file.readline().rstrip(b"\n")
            record = orjson.loads(line)
            text = dict(_strings(record["payload"], bodies))[hit.where]
            _put(record["payload"], hit.where, _pattern(hit.spelled).sub("*" * length, text))
            fresh = orjson.dumps(record)
            if len(fresh) > len(line):
                raise OSError(f"{place.log}: the record at byte {place.offset} was written by another program.")
            file.seek(place.offset)
            file.write(fresh.ljust(len(line)))
            file.flush()
            os.fsync(file.fileno())
    return length


def _put(payload: Any, where: Sequence[str | int], text: str) -> None:
    for step in where[:-1]:
        payload = payload[step]
    payload[where[-1]] = text
    if where[-1] == "text" and "sha256" in payload:
        payload.pop("ref", None)
        payload["sha256"] = sha256(text.encode()).hexdigest()


def _digest(event: Mapping[str, Any], mark: Mapping[str, Any]) -> str:
    text: Any = event["payload"]
    for step in str(mark["pointer"]).split("/")[2:]:
        step = step.replace("~1", "/").replace("~0", "~")
        text = text[int(step) if isinstance(text, list) else step]
    return sha256(str(text).encode()).hexdigest()


def _pointer(where: Sequence[str | int]) -> str:
    return "/payload" + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in where)
