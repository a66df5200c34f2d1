"""Secrets that showed themselves too late: a script literal that comes back as a token header.

When a request sends a value under a secret's name, its pseudonym is known; the assembler has the key, so it can test
what earlier texts hold. What matches is replaced by the pseudonym in the draft, overwritten with `*` in the log, and a
tombstone is appended (docs/formats.md, Late secrets).
"""

from __future__ import annotations

import os
import re
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from assembler.disguises import SHORTEST, values
from assembler.erasing import erase
from assembler.places import Place
from assembler.recording import Bodies
from recorder.pseudonyms import Pseudonyms, load_key

__all__ = ["Sighted", "mend"]

_PSEUDONYM = re.compile(rb"secret-([a-z]+)-([0-9a-f]{32})")
_KNOWN = 1 << 16
"""Texts of which the digest is remembered: pages repeat most of what they say."""


_CODE = re.compile(rf"(?<![\w.-])(?=[A-Za-z]*\d)[A-Za-z0-9]{{5,{SHORTEST - 1}}}(?![\w-]|\.\w)")
"""What a mail says is to be typed: `your code is 482913`."""
_TYPED = {"otp", "token", "secret", "credential"}
"""Kinds of secrets that may be as short as that. A password is somebody's own, and may be a word by chance."""


class Names(NamedTuple):
    """Pseudonyms (hex) in a record."""

    sent: frozenset[str] = frozenset()
    shown: frozenset[str] = frozenset()
    by_name: frozenset[str] = frozenset()
    """Those of both that stood under a secret's name or had a secret's shape, and were in no cookie."""
    typed: frozenset[str] = frozenset()
    """Those that were sent and may be short codes."""


class Sighted:
    """Which secrets the records of a capture name, and the digests of whatever in them may be one.

    Filled while a capture is recorded, so that little is left to be hashed when it ends.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._pseudonyms: Pseudonyms | None = None
        self._known: dict[str, int] = {}
        self._digests: dict[str, bytes] = {}
        """For each record the first eight bytes of its texts' digests, one behind the other: where they agree with those of
        a secret, the record is looked at once more."""
        self._names: dict[str, Names] = {}

    @property
    def pseudonyms(self) -> Pseudonyms:
        if self._pseudonyms is None:
            self._pseudonyms = Pseudonyms(load_key(self._root, os.environ.get("RECORDER_KEY")))
        return self._pseudonyms

    def take(self, event: Mapping[str, Any], bodies: Bodies) -> None:
        """Hash what a record of a request holds. A record that is changed later has to be forgotten."""
        if event["category"] == "http_request":
            found = {c for _, text in _texts(event, bodies) for c in (*values(text), *_CODE.findall(text))}
            self._digests[event["id"]] = array("Q", {self._digest(candidate) for candidate in found}).tobytes()
            self._names[event["id"]] = _names(event)

    def _digest(self, candidate: str) -> int:
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
            self._names.pop(record, None)

    def names(self, event: Mapping[str, Any]) -> Names:
        """The pseudonyms in a record of a request."""
        return self._names.get(event["id"]) or _names(event)

    def may_hold(self, event: Mapping[str, Any], unknown: frozenset[int]) -> bool:
        """False when no text of the record has a digest that begins with one of these; True when one may."""
        digests = self._digests.get(event["id"])
        return digests is None or not unknown.isdisjoint(memoryview(digests).cast("Q"))


def _prefix(digest: str) -> int:
    """The beginning of a digest (hex), as `array.array("Q")` reads it."""
    return int.from_bytes(bytes.fromhex(digest[:16]), sys.byteorder)


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
    named = [sighted.names(event) for event in events if event["category"] == "http_request"]
    sent, shown, by_name, typed = (frozenset[str]().union(*part) for part in zip(_NONE, *named, strict=True))
    # A cookie that an answer sets may hold a word or an id, which pages show, too; what has a secret's name is one.
    wanted = {"finished": (sent - shown) | by_name, "started": sent | shown}
    if not sent | shown:
        return 0
    prefixes = {stage: frozenset(map(_prefix, digests)) for stage, digests in wanted.items()}
    found: dict[str, str] = {}
    for event in events:
        unknown = wanted.get(event["stage"] or "", _NONE.sent)
        if event["category"] != "http_request" or not unknown or not sighted.may_hold(event, prefixes[event["stage"]]):
            continue
        for _, text in _texts(event, bodies):
            for candidate in values(text):
                digest = sighted.pseudonyms.digest(candidate)
                if digest in unknown:
                    found[candidate] = f"secret-late-{digest}"
            for code in _CODE.findall(text) if typed and event["stage"] == "finished" else ():
                if (digest := sighted.pseudonyms.digest(code)) in typed & unknown:
                    found[code] = f"secret-late-{digest}"
    return erase(events, found, places, bodies, tombstones, root, word=SHORTEST)


def _names(event: Mapping[str, Any]) -> Names:
    payload = event["payload"]
    if event["stage"] == "started":
        sent, shown = _pseudonyms(payload), []
    else:
        sent = _pseudonyms(payload.get("request_body"))
        shown = _pseudonyms([payload.get("headers"), payload.get("body")])
    if not sent and not shown:
        return _NONE
    by_name = frozenset(digest for kind, digest in (*sent, *shown) if kind != "cookie")
    typed = frozenset(digest for kind, digest in sent if kind in _TYPED)
    return Names(frozenset(digest for _, digest in sent), frozenset(digest for _, digest in shown), by_name, typed)


_NONE = Names()


def _pseudonyms(part: Any) -> list[tuple[str, str]]:
    text = orjson.dumps(part)
    return [(kind.decode(), digest.decode()) for kind, digest in _PSEUDONYM.findall(text)] if b"secret-" in text else []


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
