"""Secrets that showed themselves too late: a script literal that comes back as a token header.

When a request sends a value under a secret's name, its pseudonym is known; the assembler has the key, so it can test
what earlier texts hold. What matches is replaced by the pseudonym in the draft, overwritten with `*` in the log, and a
tombstone is appended (docs/formats.md, Late secrets).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from assembler.erasing import erase
from assembler.places import Place
from assembler.recording import Bodies
from assembler.shapes import SECRET
from recorder.pseudonyms import Pseudonyms, load_key

__all__ = ["Sighted", "mend"]

_SHORTEST = 12
_CANDIDATE = re.compile(rf"[A-Za-z0-9_.~+/=%!:$*-]{{{_SHORTEST},1024}}")
_QUOTED = re.compile(rf"[\"'`>]([^\"'`<>\r\n]{{{_SHORTEST},1024}})[\"'`<]")


class Sighted:
    """Which secrets the records of a capture name, and the digests of whatever in them may be one.

    Filled while a capture is recorded, so that little is left to be hashed when it ends.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._pseudonyms: Pseudonyms | None = None
        self._digests: dict[str, bytes] = {}
        """For each record the first eight bytes of its texts' digests, one behind the other."""

    @property
    def pseudonyms(self) -> Pseudonyms:
        if self._pseudonyms is None:
            self._pseudonyms = Pseudonyms(load_key(self._root, os.environ.get("RECORDER_KEY")))
        return self._pseudonyms

    def take(self, event: Mapping[str, Any], bodies: Bodies) -> None:
        """Hash what a record of a request holds. A record that is changed later has to be forgotten."""
        if event["category"] == "http_request":
            found = {self.pseudonyms.digest(c)[:16] for _, text in _texts(event, bodies) for c in _candidates(text)}
            self._digests[event["id"]] = bytes.fromhex("".join(found))

    def forget(self, records: Iterable[str]) -> None:
        """Do as if these records had not been seen."""
        for record in records:
            self._digests.pop(record, None)

    def may_hold(self, event: Mapping[str, Any], unknown: Iterable[str]) -> bool:
        """False when no text of the record has one of these digests (hex); True when one may."""
        digests = self._digests.get(event["id"])
        return digests is None or any(bytes.fromhex(digest[:16]) in digests for digest in unknown)


def mend(
    events: Sequence[dict[str, Any]],
    places: Mapping[str, Place],
    bodies: Bodies,
    tombstones: list[dict[str, Any]],
    sighted: Sighted,
    root: Path,
) -> int:
    """Replace in `events`, and overwrite on disk, what later turned out to be a secret.

    `places` says where each event (by id) stands. Returns the number of places mended. A log that cannot be written
    raises OSError: a draft must not be ready while a known secret is on the disk.
    """
    sent, shown = _seen(events)
    # Answers are tested for what only requests named; requests, for what anything named.
    wanted = {"finished": sent - shown, "started": sent | shown}
    if not sent | shown:
        return 0
    found: dict[str, str] = {}
    for event in events:
        unknown = wanted.get(event["stage"] or "", set())
        if event["category"] != "http_request" or not unknown or not sighted.may_hold(event, unknown):
            continue
        for _, text in _texts(event, bodies):
            for candidate in _candidates(text):
                digest = sighted.pseudonyms.digest(candidate)
                if digest in unknown:
                    found[candidate] = f"secret-late-{digest}"
    return erase(events, found, places, bodies, tombstones, root)


def _seen(events: Sequence[Mapping[str, Any]]) -> tuple[set[str], set[str]]:
    """Pseudonyms (hex) that requests sent, and those that answers showed."""
    sent: set[str] = set()
    shown: set[str] = set()
    for event in events:
        payload = event["payload"]
        if event["category"] != "http_request":
            continue
        if event["stage"] == "started":
            sent.update(_named(payload.get("path"), payload.get("query"), payload["headers"]))
        else:
            sent.update(_named(payload.get("request_body")))
            shown.update(_named(payload.get("headers"), payload.get("body")))
    return sent, shown


def _named(*parts: Any) -> list[str]:
    text = orjson.dumps(parts)
    return SECRET.findall(text.decode()) if b"secret-" in text else []


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
