"""Secrets that showed themselves too late: a script literal that comes back as a token header.

When a request sends a value under a secret's name, its pseudonym is known; the assembler has the key, so it can test
what earlier texts hold. What matches is replaced by the pseudonym in the draft, overwritten with `*` in the log, and a
tombstone is appended (docs/formats.md, Late secrets).
"""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, unquote

import orjson

from assembler.recording import Bodies
from assembler.shapes import SECRET
from recorder.events import envelope
from recorder.log import Writer
from recorder.pseudonyms import Pseudonyms, load_key

__all__ = ["Place", "bury", "mend", "remember", "spellings"]

_SHORTEST = 12
_CANDIDATE = re.compile(rf"[A-Za-z0-9_.~+/=%!:$*-]{{{_SHORTEST},1024}}")
_QUOTED = re.compile(rf"[\"'`>]([^\"'`<>\r\n]{{{_SHORTEST},1024}})[\"'`<]")


@dataclass(frozen=True)
class Place:
    """Where a record stands: its log and the byte offset of its line."""

    log: Path
    offset: int


@dataclass(frozen=True)
class _Hit:
    """A value in one text of a record, in the spelling it has there; `text` is that text without it."""

    event: dict[str, Any]
    where: str
    spelled: str
    pseudonym: str
    text: str


def mend(events: Sequence[dict[str, Any]], places: Mapping[str, Place], bodies: Bodies, root: Path) -> int:
    """Replace in `events`, and overwrite on disk, what later turned out to be a secret.

    `places` says where each event (by id) stands. Returns the number of places mended. A log that cannot be written
    raises OSError: a draft must not be ready while a known secret is on the disk.
    """
    sent, shown = _seen(events)
    # Answers are tested for what only requests named; requests, for what anything named.
    wanted = {"finished": sent - shown, "started": sent | shown}
    if not sent | shown:
        return 0
    pseudonyms = Pseudonyms(load_key(root, os.environ.get("RECORDER_KEY")))
    found: dict[str, str] = {}
    for event in events:
        unknown = wanted.get(event["stage"] or "", set())
        if event["category"] != "http_request" or not unknown:
            continue
        for _, text in _texts(event, bodies):
            for candidate in _candidates(text):
                digest = pseudonyms.digest(candidate)
                if digest in unknown:
                    found[candidate] = f"secret-late-{digest}"
    if not found:
        return 0
    hits = [hit for event in events for hit in _hits(event, found, bodies)]
    # First all of the disk: two records may share one body, and a body may hold two secrets.
    lengths = [_overwrite(hit, places.get(hit.event["id"]), bodies) for hit in hits]
    for hit, length in zip(hits, lengths, strict=True):
        digest = _put(hit.event, hit.where, hit.text)
        if place := places.get(hit.event["id"]):
            bury(hit.event, f"/payload/{hit.where}", hit.pseudonym, length, digest, place, root)
    return len(hits)


def remember(events: Sequence[dict[str, Any]], tombstones: Sequence[Mapping[str, Any]], bodies: Bodies) -> None:
    """Put the pseudonyms of earlier mendings back where `*` stands, so that a rebuilt draft is the same."""
    by_record: dict[str, list[Mapping[str, Any]]] = {}
    for payload in tombstones:
        by_record.setdefault(str(payload.get("record")), []).append(payload)
    for event in events:
        for payload in by_record.get(event["id"], ()):
            where = str(payload.get("pointer")).removeprefix("/payload/")
            length = int(payload.get("length") or 0)
            text = dict(_texts(event, bodies)).get(where)
            if text is not None and length >= _SHORTEST:
                _put(event, where, re.sub(rf"(?<!\*)\*{{{length}}}(?!\*)", str(payload["pseudonym"]), text))


def _seen(events: Sequence[Mapping[str, Any]]) -> tuple[set[str], set[str]]:
    """Pseudonyms (hex) that requests sent, and those that answers showed."""
    sent: set[str] = set()
    shown: set[str] = set()
    for event in events:
        payload = event["payload"]
        if event["category"] != "http_request":
            continue
        if event["stage"] == "started":
            sent.update(SECRET.findall(json.dumps([payload["path"], payload["query"], payload["headers"]])))
        else:
            sent.update(SECRET.findall(json.dumps(payload.get("request_body"))))
            shown.update(SECRET.findall(json.dumps([payload.get("headers"), payload.get("body")])))
    return sent, shown


def _candidates(text: str) -> Iterator[str]:
    """Stretches of a text that may be a value sent elsewhere, decoded as a form, a page or a script would."""
    for match in (*_CANDIDATE.finditer(text), *_QUOTED.finditer(text)):
        raw = match.group(match.lastindex or 0)
        yield raw
        stripped = raw.strip(".:;,=!")
        if stripped != raw and len(stripped) >= _SHORTEST:
            yield stripped
        yield from (cut for cut in re.split(r"[/=:!]", raw) if cut != raw and len(cut) >= _SHORTEST)


def _texts(event: Mapping[str, Any], bodies: Bodies) -> Iterator[tuple[str, str]]:
    """The texts of a record that may hold a secret nobody had named yet, each with its place."""
    payload = event["payload"]
    if event["category"] == "http_request" and event["stage"] == "started":
        yield "path", payload["path"]
        yield "query", payload["query"]
        for index, (_, value) in enumerate(payload["headers"]):
            yield f"headers/{index}/1", value
    elif event["category"] == "http_request":
        for index, (_, value) in enumerate(payload.get("headers") or []):
            yield f"headers/{index}/1", value
        for side in ("request_body", "body"):
            body = payload.get(side)
            if body and (text := bodies.text(body)):
                yield side, text


def _hits(event: dict[str, Any], found: Mapping[str, str], bodies: Bodies) -> Iterator[_Hit]:
    for where, text in _texts(event, bodies):
        for value, pseudonym in found.items():
            for spelled in spellings(value):
                if spelled in text:
                    text = text.replace(spelled, pseudonym)
                    yield _Hit(event, where, spelled, pseudonym, text)


def spellings(value: str) -> list[str]:
    """A value as a request, a page or a script may write it, the longest first."""
    found = {
        value,
        quote(value, safe=""),
        quote_plus(value),
        unquote(value),
        html.escape(value),
        json.dumps(value)[1:-1],
    }
    return sorted(found - {""}, key=lambda spelled: (-len(spelled), spelled))


def _put(event: dict[str, Any], where: str, text: str) -> str:
    """The text in the event in memory, from which the draft is made. Returns its new sha256."""
    payload = event["payload"]
    if where in ("path", "query"):
        payload[where] = text
    elif where.startswith("headers/"):
        payload["headers"][int(where.split("/")[1])][1] = text
    else:
        body = payload[where]
        body.pop("ref", None)
        body["text"] = text
        body["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    return hashlib.sha256(text.encode()).hexdigest()


def _overwrite(hit: _Hit, place: Place | None, bodies: Bodies) -> int:
    """The value on the disk, byte for byte with `*`: all around it stays. Returns how many `*` stand for it now."""
    descriptor = hit.event["payload"].get(hit.where) if hit.where in ("request_body", "body") else None
    ref = descriptor.get("ref") if descriptor else None
    plain = hit.spelled.encode()
    needles = {plain} if ref else {plain, orjson.dumps(hit.spelled)[1:-1]}
    path = bodies.path(ref) if ref else place.log if place else None
    if path is not None:
        with path.open("r+b") as file:
            start = place.offset if place is not None and not ref else 0
            file.seek(start)
            content = file.read() if ref else file.readline()
            for needle in needles:
                position = content.find(needle)
                while position != -1:
                    file.seek(start + position)
                    file.write(b"*" * len(needle))
                    position = content.find(needle, position + len(needle))
            file.flush()
            os.fsync(file.fileno())
    return max(map(len, needles))


def bury(
    event: Mapping[str, Any], pointer: str, pseudonym: str, length: int, digest: str, place: Place, root: Path
) -> None:
    """Append the tombstone of a value that was overwritten with `length` times `*`."""
    writer = Writer(place.log.parent, root)
    payload = {
        "kind": "tombstone",
        "record": event["id"],
        "pointer": pointer,
        "pseudonym": pseudonym,
        "length": length,
        "sha256": digest,
    }
    writer.append(
        envelope("system_log", None, payload, parent_id=event["operation_id"], run_context=event.get("run_context"))
    )
    writer.close()
