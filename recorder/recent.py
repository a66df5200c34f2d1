"""The newest events of a log, found from its end: a log of any length answers as fast as a short one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from recorder.events import Event
from recorder.generations import File, Generations, chunks, cut
from recorder.log import parse

__all__ = ["newest"]

_CHUNK = 64 << 10


def newest(log: Path, count: int) -> list[Event]:
    """Return at most `count` events that were written last, the oldest of them first. Raises OSError.

    Files that were rotated away are looked into when the others do not hold as many.
    """
    files = [file for file in Generations(log).look() if file.problem is None]
    grown = [file for file in files if file.grows]
    found = {event["id"]: event for file in grown for event in islice(_backwards(file), count)}
    for file in reversed([file for file in files if not file.grows]):
        if len(found) >= count:
            break
        found |= {event["id"]: event for event in islice(_backwards(file), count)}
    return sorted(found.values(), key=lambda event: (event["timestamp"], event["sequence"]))[-count:]


def _backwards(file: File) -> Iterator[Event]:
    """The events of a file, the last one first."""
    text = file.opened()
    if text is None:
        return
    with text:
        if file.compression is not None:
            lines = [line for _, some in cut(chunks(text)) for line in some]
            yield from filter(None, map(_event, reversed(lines)))
            return
        at, rest = text.seek(0, 2), b""
        while at:
            size = min(_CHUNK, at)
            at = text.seek(at - size)
            first, *lines = (text.read(size) + rest).split(b"\n")
            yield from filter(None, map(_event, reversed(lines)))
            rest = first
        if (event := _event(rest)) is not None:
            yield event


def _event(line: bytes) -> Event | None:
    event = parse(line) if line.strip() else ""
    return None if isinstance(event, str) else event
