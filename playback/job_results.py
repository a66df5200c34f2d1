"""What a job returned or raised, made comparable: without the run's own directory, without how long it took."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from playback.answers import Comparer

__all__ = ["first_line", "mask", "same_result", "undoing", "without_place"]

_LONGEST = 4096
"""Bytes of a traceback that Redis' readers keep: of a longer one the beginning is gone."""
_CLOCK_DIGITS = 6
_TRACEBACK = "Traceback (most recent call last):\n"
_MEASURED = "(how long the job took)"


def first_line(exc_info: str | None) -> str | None:
    """Type and first line of the message of what a traceback ends with; None where it cannot be told."""
    if not exc_info:
        return None
    _, found, tail = exc_info.rpartition(_TRACEBACK)
    if not found:
        # RQ's own words for a job that was killed or tried too often, as the recorder names them.
        kind = "MaxRetriesExceeded" if exc_info.startswith("The job returned Retry") else "WorkHorseTerminated"
        return f"{kind}: {exc_info.strip().splitlines()[0]}" if 0 < len(exc_info.strip()) < _LONGEST // 2 else None
    lines = (line for line in tail.splitlines() if line and not line.startswith(" "))
    return next(lines, "")[:500] or None


def without_place(recorded_run: str | None, run_dir: Path | None) -> Callable[[Any, bool], Any]:
    """A function of a value and whether it is live, that cuts the run's directory off the paths in it."""
    recorded = re.compile(rf"(?:/[^/\s\"']+)*/{re.escape(recorded_run)}(?=/|$|[\s\"',;:)])") if recorded_run else None
    places = [re.escape(str(path)) for path in dict.fromkeys((run_dir, run_dir.resolve()))] if run_dir else []
    live = re.compile("|".join(places)) if places else None

    def plain(value: Any, is_live: bool) -> Any:
        pattern = live if is_live else recorded
        if pattern is None:
            return value
        if isinstance(value, str):
            return pattern.sub("(run)", value)
        if isinstance(value, list):
            return [plain(item, is_live) for item in value]
        if isinstance(value, dict):
            return {key: plain(item, is_live) for key, item in value.items()}
        return value

    return plain


def mask(comparer: Comparer, why: str) -> None:
    """Count a value that is not compared."""
    counts = comparer.masked
    counts.compared, counts.masked = counts.compared + 1, counts.masked + 1
    counts.reasons[why] = counts.reasons.get(why, 0) + 1


def undoing(comparer: Comparer) -> Callable[[], None]:
    """A function that makes the comparer forget all it has found and learnt from now on."""
    bijection, found, counts = comparer.bijection.copy(), len(comparer.mismatches), comparer.masked
    compared, masked, reasons = counts.compared, counts.masked, dict(counts.reasons)

    def undo() -> None:
        comparer.bijection.restore(bijection)
        del comparer.mismatches[found:]
        counts.compared, counts.masked = compared, masked
        counts.reasons.clear()
        counts.reasons.update(reasons)

    return undo


def same_result(
    where: str, recorded: Any, live: Any, lasted: tuple[float | None, float | None], comparer: Comparer
) -> None:
    """Compare two results as answers are; a number that was how long the job took, both times, is masked.

    `lasted` is how long it took when recorded, and now, in seconds.
    """
    before, now = dict(_durations(recorded, lasted[0])), dict(_durations(live, lasted[1]))
    timed = {place for place in before.keys() & now.keys() if before[place] != now[place]}
    for _ in timed:
        mask(comparer, "duration")
    comparer.json(where, _masked(recorded, timed), _masked(live, timed))


_Path = tuple[str | int, ...]


def _durations(value: Any, lasted: float | None, path: _Path = ()) -> Iterator[tuple[_Path, float]]:
    """Where numbers stand that are a little less than the job's duration, in seconds or milliseconds, and as exact as a
    clock is."""
    if lasted is None:
        return
    if isinstance(value, float):
        within = any(0.5 * lasted - 0.1 <= value / unit <= 1.1 * lasted for unit in (1.0, 1000.0))
        if within and value > 0 and len(repr(value).partition(".")[2]) >= _CLOCK_DIGITS:
            yield path, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _durations(item, lasted, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _durations(item, lasted, (*path, key))


def _masked(value: Any, places: set[_Path], path: _Path = ()) -> Any:
    if path in places:
        return _MEASURED
    if isinstance(value, list):
        return [_masked(item, places, (*path, index)) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {key: _masked(item, places, (*path, key)) for key, item in value.items()}
    return value
