"""Secrets that showed themselves too late: a script literal that comes back as a token header.

When a request sends a value under a secret's name, its pseudonym is known; the assembler has the key, so it can test
what earlier texts hold. What matches is replaced by the pseudonym in the draft, overwritten with `*` in the log, and a
tombstone is appended (docs/formats.md, Late secrets).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import orjson

from assembler.disguises import values
from assembler.erasing import erase
from assembler.places import Place
from assembler.recording import Bodies
from assembler.shapes import SECRET
from recorder.pseudonyms import Pseudonyms, load_key

__all__ = ["Sighted", "mend"]

_BY_NAME = re.compile(r"secret-(?!cookie-)[a-z]+-([0-9a-f]{32})")
"""What stood under a secret's name or had a secret's shape, and in no cookie."""
_PREFIX = 8
"""Bytes of a digest that are kept: two texts of one recording that agree in them are looked at once more."""
_KNOWN = 1 << 16
"""Texts of which the digest is remembered: pages repeat most of what they say."""


class Sighted:
    """Which secrets the records of a capture name, and the digests of whatever in them may be one.

    Filled while a capture is recorded, so that little is left to be hashed when it ends.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._pseudonyms: Pseudonyms | None = None
        self._known: dict[str, bytes] = {}
        self._digests: dict[str, bytes] = {}
        """For each record the beginnings of its texts' digests, one behind the other."""

    @property
    def pseudonyms(self) -> Pseudonyms:
        if self._pseudonyms is None:
            self._pseudonyms = Pseudonyms(load_key(self._root, os.environ.get("RECORDER_KEY")))
        return self._pseudonyms

    def take(self, event: Mapping[str, Any], bodies: Bodies) -> None:
        """Hash what a record of a request holds. A record that is changed later has to be forgotten."""
        if event["category"] == "http_request":
            found = {c for _, text in _texts(event, bodies) for c in values(text)}
            self._digests[event["id"]] = b"".join({self._digest(candidate) for candidate in found})

    def _digest(self, candidate: str) -> bytes:
        digest = self._known.get(candidate)
        if digest is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            digest = self._known[candidate] = _prefix(self.pseudonyms.digest(candidate))
        return digest

    def forget(self, records: Iterable[str]) -> None:
        """Do as if these records had not been seen."""
        for record in records:
            self._digests.pop(record, None)

    def may_hold(self, event: Mapping[str, Any], unknown: Set[bytes]) -> bool:
        """False when no text of the record has a digest that begins with one of these; True when one may."""
        digests = self._digests.get(event["id"])
        if digests is None:
            return True
        if len(unknown) < len(digests) // _PREFIX:
            return any(prefix in digests for prefix in unknown)
        return any(digests[at : at + _PREFIX] in unknown for at in range(0, len(digests), _PREFIX))


def _prefix(digest: str) -> bytes:
    return bytes.fromhex(digest[: 2 * _PREFIX])


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
    sent, shown, by_name = _seen(events)
    # A cookie that an answer sets may hold a word or an id, which pages show, too; what has a secret's name is one.
    wanted = {"finished": (sent - shown) | by_name, "started": sent | shown}
    if not sent | shown:
        return 0
    prefixes = {stage: {_prefix(digest) for digest in digests} for stage, digests in wanted.items()}
    found: dict[str, str] = {}
    for event in events:
        unknown = wanted.get(event["stage"] or "", set())
        if event["category"] != "http_request" or not unknown or not sighted.may_hold(event, prefixes[event["stage"]]):
            continue
        for _, text in _texts(event, bodies):
            for candidate in values(text):
                digest = sighted.pseudonyms.digest(candidate)
                if digest in unknown:
                    found[candidate] = f"secret-late-{digest}"
    return erase(events, found, places, bodies, tombstones, root)


def _seen(events: Sequence[Mapping[str, Any]]) -> tuple[set[str], set[str], set[str]]:
    """Pseudonyms (hex) that requests sent, those that answers showed, and those of both that were in no cookie."""
    sent: set[str] = set()
    shown: set[str] = set()
    by_name: set[str] = set()
    for event in events:
        payload = event["payload"]
        if event["category"] != "http_request":
            continue
        by_name.update(_named(payload, pattern=_BY_NAME))
        if event["stage"] == "started":
            sent.update(_named(payload.get("path"), payload.get("query"), payload["headers"]))
        else:
            sent.update(_named(payload.get("request_body")))
            shown.update(_named(payload.get("headers"), payload.get("body")))
    return sent, shown, by_name


def _named(*parts: Any, pattern: re.Pattern[str] = SECRET) -> list[str]:
    text = orjson.dumps(parts)
    return pattern.findall(text.decode()) if b"secret-" in text else []


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
