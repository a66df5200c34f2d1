"""What a log holds, in all the files it was rotated into: behind an event, page by page, line by line."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Iterable, Iterator
from itertools import dropwhile, islice
from pathlib import Path

from recorder.events import Event
from recorder.generations import DOUBT_S, Generations
from recorder.log import BadLine, Line, parse, read
from recorder.notices import LONGEST, Notices
from recorder.reader import Generation, Reader, Seen
from recorder.tail import tail

__all__ = ["events_after", "lines_of", "page", "page_in_time"]

_CHUNK = 64 << 10
_CURSOR = re.compile(r"~(\d+)~([\w-]{8})((?:~[\w-]{8}[0-9a-f]+)+)|~")
_SHORT = 6  # bytes of a digest, 8 characters in base64, by which a cursor names a file
_NAMED = 200  # files that a cursor names: it travels in a URL, of which servers take 4 KB
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


def page(log: Path, after: str | None, limit: int) -> tuple[list[Event], str | None]:
    """Return at most `limit` events that follow `after`, and what to give as `after` for the next page.

    `after` is the id of an event, or what an earlier page gave: where each process has a file of its own, no single event
    tells how far all of them were read. There an event may come again, with the same id; none is left out. Raises
    LookupError when there is no such event, and OSError.
    """
    if any(file.own for file in Generations(log).look()) or (after or "").startswith("~"):
        return _page_of_many(log, after, limit)
    found = list(islice(events_after(log, after), limit))
    return found, str(found[-1]["id"]) if found else after


def page_in_time(log: Path, after: str | None, limit: int, seconds: float) -> tuple[list[Event], str | None]:
    """As `page`; where nothing follows yet, wait for it, `seconds` at most."""
    deadline, files, notices = time.monotonic() + seconds, Generations(log), Notices(log.parent)
    try:
        while True:
            files.look()
            found, follows = page(log, after, limit)
            while True:
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found, follows
                notices.wait(longest=min(left, LONGEST))
                if not files.quiet():
                    break
    finally:
        notices.close()


def _page_of_many(log: Path, after: str | None, limit: int) -> tuple[list[Event], str]:
    began = time.time_ns() - int(DOUBT_S * 1e9)
    reader, seen, found = Reader(log), Seen(), list[Event]()
    cursor = _CURSOR.fullmatch(after or "")
    wanted = after is None
    if cursor is not None:
        wanted = True
        if cursor[1]:
            names = _names(file.first.id for file in Generations(log).look() if file.first)
            places = [(names.get(part[:8], ""), int(part[8:], 16)) for part in cursor[3].split("~")[1:]]
            reader.resume(*places[0], places[1:], (names.get(cursor[2], ""), int(cursor[1])))
    for generation, lines in reader.blocks():
        for line in lines:
            generation.offset += len(line) + 1
            event = parse(line) if line else ""
            if isinstance(event, str) or seen.again(event.get("writer"), event.get("sequence")):
                continue
            if wanted:
                found.append(event)
                if len(found) == limit:
                    return found, _cursor(reader, generation, began)
            wanted = wanted or event["id"] == after
    if not wanted:
        raise LookupError(f"There is no event {after!r} in this log.")
    return found, _cursor(reader, None, began)


def _cursor(reader: Reader, here: Generation | None, since: int) -> str:
    """How far all files were read. Those it does not name count as read if they were begun, and not changed after `since`.

    Files are read one after the other, the oldest first.
    """
    last = max((at for at, each in enumerate(reader.generations) if each.offset), default=-1)
    begun = reader.generations[: last + 1]  # what is to be read anew, and was not come to, among them
    if not begun:
        return "~"
    here = here or begun[-1]
    of_one = [each for each in begun if each.file.own and each is not here]
    of_one.sort(key=lambda each: (each.unread, each.file.stamp.changed_ns), reverse=True)
    since = min([since, *(each.file.stamp.changed_ns for each in of_one[_NAMED:] if each.unread)])
    # One that counted as read may grow all the same: it was read as far as it goes.
    sizes = (min(each.offset, each.offset if each.file.compression else each.file.stamp.size) for each in begun)
    offsets = dict(zip((each.first.id for each in begun), sizes, strict=True))
    named = "".join(f"~{_name(each.first.id)}{offsets[each.first.id]:x}" for each in (here, *of_one[:_NAMED]))
    return f"~{since}~{_name(begun[-1].first.id)}{named}"


def _name(id: str) -> str:
    """A short name for a file."""
    return base64.urlsafe_b64encode(hashlib.blake2b(id.encode(), digest_size=_SHORT).digest()).decode()


def _names(ids: Iterable[str]) -> dict[str, str]:
    """Files by their short names. Two that happen to have the same one have none: they are read again."""
    found: dict[str, str] = {}
    for id in ids:
        name = _name(id)
        found[name] = "" if name in found else id
    return found


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

    Looked for from the end, near which those are who follow. Read in pieces, not mapped: a file that is truncated while
    it is mapped kills its reader (SIGBUS).
    """
    sought, text = b'{"v":1,"id":"%b"' % id.encode("ascii", "replace"), b""
    try:
        with log.open("rb") as file:
            at = file.seek(0, 2)
            while at:
                size = min(_CHUNK, at)
                at = file.seek(at - size)
                text = file.read(size) + text[: len(sought)]
                if (found := text.rfind(sought)) > 0 or (found == 0 and not at):
                    return None if text[:found].endswith(b" ") else at + found
    except FileNotFoundError:
        pass
    return None
