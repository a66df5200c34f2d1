"""What a log holds, in all the files it was rotated into, without following it further."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import dropwhile, islice
from pathlib import Path

from recorder.events import Event
from recorder.log import BadLine, Line, read
from recorder.reader import Reader, Seen
from recorder.tail import tail

__all__ = ["events_after", "lines_of"]

_CHUNK = 1 << 20
_HEAD = 300  # bytes; a record's writer and sequence are among its first
_NUMBERED = re.compile(rb'"writer":"(\w+)","sequence":(\d+)')


def events_after(log: Path, after: str | None = None) -> Iterator[Event]:
    """Yield the events that follow the one with the id `after`, or all of them, the oldest file first.

    Raises LookupError when no file of the log holds that event, and OSError.
    """
    offset = _offset_of(log, after) if after is not None else None
    if offset is not None:
        yield from islice((line.event for line in read(log, offset) if isinstance(line, Line)), 1, None)
        return
    events: Iterator[Event] = (event for _, event in tail(log, stop=lambda: True) if not isinstance(event, BadLine))
    if after is not None:
        events = dropwhile(lambda event: event["id"] != after, events)
        if next(events, None) is None:
            raise LookupError(f"There is no event {after!r} in this log.")
    yield from events


def lines_of(log: Path) -> Iterator[bytes]:
    """Yield the line of each record of a log, as it stands there, in all its files. Raises OSError."""
    seen = Seen()
    for _, lines in Reader(log).blocks():
        for line in lines:
            numbered = _NUMBERED.search(line, 0, _HEAD)
            if numbered and not seen.again(numbered[1].decode(), int(numbered[2])):
                yield line


def _offset_of(log: Path, id: str) -> int | None:
    """Where the event stands in the live file; None when it is not there, or began in the file before.

    Read in pieces, not mapped: a file that is truncated while it is mapped kills its reader (SIGBUS).
    """
    sought, text, at = b'{"v":1,"id":"%b"' % id.encode("ascii", "replace"), b"", 0
    try:
        with log.open("rb") as file:
            while chunk := file.read(_CHUNK):
                at += len(text)
                text = text[-len(sought) :]
                at -= len(text)
                text += chunk
                if (found := text.find(sought)) >= 0:
                    return None if text[:found].endswith(b" ") else at + found
    except FileNotFoundError:
        pass
    return None
