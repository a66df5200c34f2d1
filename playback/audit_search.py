"""Looks through an audit log from its end: what was done, joined with how it ended, as far back as somebody reads.

There is no index to be built or to be wrong. A search that finds little stops after a while and says how far it came.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from playback.audit_files import Head, Place, files_of, head_of, lines_back, lines_from, offset_at, opened
from recorder.log import parse

__all__ = ["CATEGORIES", "OUTCOMES", "Act", "Found", "Sought", "search", "status_of"]

CATEGORIES = ("http_request", "rq_enqueue", "rq_job", "file_upload", "egress", "system_log")
OUTCOMES = {"2": "2xx", "3": "3xx", "4": "4xx", "5": "5xx", "failed": "failed", "open": "not ended"}
_SECONDS = 1.0  # of one look
_AHEAD = 2 << 20  # bytes behind a place in which the ends of what began before it are looked for
_ENDS = ("finished", "failed", "retried", "stopped")


@dataclass(frozen=True)
class Sought:
    """What is looked for; empty is everything. `text` in any spelling of capitals; times as the log writes them."""

    text: str = ""
    category: str = ""
    outcome: str = ""
    capture: str = ""
    before: str = ""
    """Nothing later than this is looked at."""
    since: str = ""
    """Nothing earlier is looked for."""


@dataclass(frozen=True)
class Act:
    """One operation: its first record, and the one that tells how it ended, where there is one."""

    place: Place
    begun: dict[str, Any]
    ended: dict[str, Any] | None = None

    @property
    def operation(self) -> str:
        return str(self.begun.get("operation_id"))


@dataclass
class Found:
    """What a look has shown: the latest first. `older` is where the next one begins; None: nothing is older."""

    acts: list[Act] = field(default_factory=list)
    older: Place | None = None
    until: str = ""
    """The time of the oldest record that was looked at, when the look stopped before it had found enough."""


def search(log: Path, sought: Sought, place: Place | None = None, most: int = 50) -> Found:
    """At most `most` operations before `place` (None: from the end), the latest first. Raises OSError."""
    deadline = time.monotonic() + _SECONDS
    look = _Look(sought)
    found = Found()
    files = [(file, file.first) for file in reversed(files_of(log)) if file.first]
    if place is not None:
        files = files[next((n for n, (_, first) in enumerate(files) if first.id == place.file), len(files)) :]
    for file, first in files:
        identity = first.id
        if sought.before and place is None and first.timestamp >= sought.before and (file, first) != files[-1]:
            continue
        with opened(file) as text:
            if text is None:
                continue
            end = text.seek(0, 2)
            if place is not None and place.file == identity:
                end = min(end, place.offset)
            elif sought.before and place is None:
                end = offset_at(text, sought.before)
            look.ahead(text, end)
            for count, (offset, line) in enumerate(lines_back(text, end)):
                head = head_of(line)
                if head is None:
                    continue
                if sought.since and head.timestamp < sought.since:
                    return found
                if act := look.at(Place(identity, offset), line, head):
                    found.acts.append(act)
                if len(found.acts) == most:
                    found.older = Place(identity, offset)
                    return found
                if count % 64 == 0 and time.monotonic() > deadline:
                    found.older, found.until = Place(identity, offset), head.timestamp
                    return found
        place = None
    found.acts += look.left()
    return found


class _Look:
    """Joins ends with beginnings on the way back, and judges each pair."""

    def __init__(self, sought: Sought) -> None:
        self._sought = sought
        # As JSON has it: what is looked for may hold quotes.
        self._text = orjson.dumps(sought.text)[1:-1].lower() if sought.text else b""
        self._capture = sought.capture.encode()
        self._ends: dict[str, tuple[Place | None, bytes]] = {}
        self._seen: set[str] = set()

    def ahead(self, text: Any, end: int) -> None:
        """Take note of the ends that stand behind `end`, of what may have begun before."""
        for _, line in lines_from(text, end, _AHEAD):
            head = head_of(line)
            if head is not None and _is_end(head):
                self._ends.setdefault(head.operation, (None, line))

    def at(self, place: Place, line: bytes, head: Head) -> Act | None:
        """The operation that begins with this record, if it is sought."""
        if _is_end(head):
            self._ends.setdefault(head.operation, (place, line))
            return None
        if head.id in self._seen:  # written again when the file was rotated
            return None
        self._seen.add(head.id)
        _, end = self._ends.pop(head.operation, (None, b"")) if head.stage else (None, b"")
        return self._judged(place, line, end, head.category)

    def left(self) -> Iterator[Act]:
        """Ends of which the beginning is not there any more."""
        for place, line in self._ends.values():
            if (
                place is not None
                and (head := head_of(line))
                and (act := self._judged(place, line, line, head.category))
            ):
                yield act

    def _judged(self, place: Place, line: bytes, end: bytes, category: str) -> Act | None:
        sought = self._sought
        if sought.category and category != sought.category:
            return None
        if self._capture and self._capture not in line:
            return None
        if self._text and self._text not in line.lower() and self._text not in end.lower():
            return None
        begun = parse(line)
        ended = parse(end) if end else None
        if isinstance(begun, str) or not isinstance(begun.get("payload"), dict):
            return None
        if not isinstance(ended, dict) or not isinstance(ended.get("payload"), dict):
            ended = None
        act = Act(place, begun, ended)
        return act if not sought.outcome or _comes_to(act, sought.outcome) else None


def status_of(act: Act) -> int | str | None:
    """How an operation ended: the status of an answer, the word of a job; None where nothing tells."""
    payload = (act.ended or act.begun)["payload"]
    status = payload.get("status")
    if isinstance(status, (int, str)) and not isinstance(status, bool):
        return status
    stage = (act.ended or act.begun).get("stage")
    return str(stage) if stage in _ENDS else None


def _comes_to(act: Act, outcome: str) -> bool:
    status = status_of(act)
    if outcome == "open":
        return act.begun.get("stage") == "started" and act.ended is None
    if outcome == "failed":
        stage = (act.ended or act.begun).get("stage")
        failed = stage in ("failed", "stopped") or bool((act.ended or act.begun)["payload"].get("error"))
        return failed or (isinstance(status, int) and status >= 500)
    return str(status or "").startswith(outcome) and isinstance(status, int)


def _is_end(head: Head) -> bool:
    return head.stage in _ENDS and head.category in ("http_request", "rq_job", "egress")
