"""Seconds that two requests of the recording shared, or did not: who lists the newest first by a clock of whole seconds lists
what was made in one second in another order.

`ORDER BY created DESC` with `CURRENT_TIMESTAMP` is such a list. A replay is faster than the recorded work, so it keeps in one
second what was in one, and apart what was apart, for requests whose things an answer listed the later one first. Nothing
else waits.
"""

from __future__ import annotations

import html
import json
import math
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from assembler.profile import Step
from assembler.sources import json_leaves
from playback.roles import place_of

__all__ = ["Seconds"]

_SHORTEST = 3
"""Characters of a text by which a thing is found in a list."""
_MARGIN = 0.05
"""Seconds by which two clocks, and the pace of two runs, may differ."""
_LONGEST = 0.8
"""Seconds that what belongs into one second may last."""


class Seconds:
    """When the steps that act are to begin. `started` is when the recording began, in seconds since 1970."""

    def __init__(self, steps: Sequence[Step], folder: Path, started: float) -> None:
        self._behind: dict[str, str] = {}
        """For a step the one whose second has to be over."""
        self._room: dict[str, float] = {}
        """For a step the time that it and those in its second need."""
        self._answered: dict[str, float] = {}
        for group in _newest_first(steps, folder):
            self._plan(group, started)

    def _plan(self, group: Sequence[Step], started: float) -> None:
        run = group[:1]
        for before, step in pairwise(group):
            if math.floor(started + _begin(before)) == math.floor(started + _end(step)):
                run = [*run, step]
                continue
            self._keep_together(run)
            run = [step]
            if math.floor(started + _end(before)) < math.floor(started + _begin(step)):
                self._behind[step.id] = before.id
        self._keep_together(run)

    def _keep_together(self, run: Sequence[Step]) -> None:
        lasts = _end(run[-1]) - _begin(run[0])
        if len(run) > 1 and lasts < _LONGEST:
            self._room[run[0].id] = max(self._room.get(run[0].id, 0.0), lasts + _MARGIN)

    def wait(self, step: Step, cancelled: threading.Event) -> float:
        """Wait until `step` may begin; returns for how long, in seconds."""
        now = time.time()
        over = self._answered.get(self._behind.get(step.id, ""))
        full = now % 1 + self._room.get(step.id, 0.0) > 1
        if (over is None or math.floor(over) < math.floor(now)) and not full:
            return 0.0
        pause = math.ceil(now) - now + _MARGIN / 5
        cancelled.wait(pause)
        return pause

    def answered(self, step: Step) -> None:
        """Note that the answer to `step` is there."""
        self._answered[step.id] = time.time()


def _begin(step: Step) -> float:
    return step.at or 0.0


def _end(step: Step) -> float:
    return _begin(step) + (step.took or 0.0)


def _newest_first(steps: Sequence[Step], folder: Path) -> Iterator[list[Step]]:
    """Steps that sent the same kind of thing to one place, where an answer shows a later one before an earlier one."""
    groups: dict[tuple[str, str], list[tuple[Step, str]]] = defaultdict(list)
    found: set[tuple[str, str]] = set()
    for step in steps:
        answer = _answer(step, folder) if step.method in ("GET", None) else ""
        for key, members in groups.items() if answer else ():
            shown = [place for _, text in members if (place := answer.find(text)) >= 0]
            if shown != sorted(shown):
                found.add(key)
        for name, text in _texts(step):
            groups[(step.method or "") + place_of(step.path or ""), name].append((step, text))
    yield from ([step for step, _ in groups[key]] for key in sorted(found))


def _texts(step: Step) -> Iterator[tuple[str, str]]:
    """Names and texts of what a step sent that acted."""
    if step.method in ("GET", "HEAD", "OPTIONS", None) or step.at is None:
        return
    if step.expect is not None and step.expect.status is not None and step.expect.status >= 400:
        return
    fields: Iterable[tuple[str, str]] = [
        *((name, value) for name, value in step.form or []),
        *((part.name, part.value) for part in step.multipart or [] if part.value is not None),
        *_members(step.json_),
    ]
    seen: Mapping[str, str] = dict(fields)
    if any("{{ secrets." in text for text in seen.values()):
        return  # who signs in makes nothing that is listed
    for name, text in seen.items():
        if len(text) >= _SHORTEST and "{{" not in text and any(map(str.isalpha, text)):
            yield name, text


def _members(document: str | None) -> Iterator[tuple[str, str]]:
    try:
        found = json.loads(document or "null")
    except ValueError:
        return
    yield from ((str(path[-1]), value) for path, value in json_leaves(found) if path and isinstance(value, str))


def _answer(step: Step, folder: Path) -> str:
    body = step.expect.body if step.expect is not None else None
    if body is None or not (path := folder / body).is_file() or path.suffix not in (".html", ".json", ".xml", ".txt"):
        return ""
    text = path.read_text("utf-8", "replace")
    return html.unescape(text) if path.suffix == ".html" else text
