"""The files of audit logs, entered anywhere: from the end, at a moment, behind a place. What is not looked at is not read.

A log of a hundred thousand records shows its last page as quickly as one of twenty, since nothing but that page is read.
Records stand in the order of time, but for the moment in which several processes write at once.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from recorder.generations import BrokenFileError, File, Generations, chunks

__all__ = ["Head", "Place", "files_of", "head_of", "lines_back", "lines_from", "offset_at", "opened"]

_CHUNK = 256 << 10
_LONGEST = 8 << 20  # bytes of a line; a longer one is passed over
_HEAD = re.compile(
    rb' *\{"v":\d+,"id":"(\w{26})","operation_id":"(\w{26})","parent_id":(?:null|"(\w{26})"),"writer":(?:null|"\w+"),'
    rb'"sequence":(?:null|\d+),"timestamp":"([0-9T:.Z+-]{20,32})","boot_id":"[^"]*","mono_ns":\d+,"category":"(\w+)",'
    rb'"stage":(?:null|"(\w+)"),'
)
_TIME = re.compile(rb'"timestamp":"([0-9T:.Z+-]{20,32})"')


class Place(NamedTuple):
    """A line of a log: the identity of its file, whatever that is called, and the offset in its text."""

    file: str
    offset: int

    def __str__(self) -> str:
        return f"{self.file.replace('+', '-')}.{self.offset}"

    @classmethod
    def of(cls, text: str) -> Place | None:
        """The place that an address names; None for what names none."""
        found = re.fullmatch(r"(\w{26}-*)\.(\d{1,18})", text, re.ASCII)
        return cls(found[1].replace("-", "+"), int(found[2])) if found else None


class Head(NamedTuple):
    """What stands at the beginning of a record, without the rest of it."""

    id: str
    operation: str
    parent: str | None
    timestamp: str
    category: str
    stage: str | None


def head_of(line: bytes) -> Head | None:
    """The head of a record; None for a line that the recorder did not write whole."""
    found = _HEAD.match(line)
    if found is None:
        return None
    id_, operation, parent, timestamp, category, stage = (part.decode() if part else None for part in found.groups())
    return Head(cast(str, id_), cast(str, operation), parent, cast(str, timestamp), cast(str, category), stage)


def files_of(log: Path) -> list[File]:
    """The files of a log that hold events, the oldest first. Raises OSError."""
    return [file for file in Generations(log).look() if file.first]


@contextlib.contextmanager
def opened(file: File) -> Iterator[BinaryIO | None]:
    """The text of a file, open where one can go back and forth in it; None when it has just gone, or breaks off."""
    text = file.opened()
    if text is None:
        yield None
        return
    with text:
        if not file.compression:
            yield text
            return
        with tempfile.TemporaryFile() as plain:
            with contextlib.suppress(BrokenFileError):  # what came before it broke is shown
                for chunk in chunks(text):
                    plain.write(chunk)
            yield cast(BinaryIO, plain)


def lines_back(text: BinaryIO, end: int) -> Iterator[tuple[int, bytes]]:
    """Offset and text of every line that begins before `end`, the last one first."""
    behind, size = b"", 0
    while end:
        start = max(0, end - _CHUNK)
        text.seek(start)
        block = text.read(end - start) + behind
        lines = block.split(b"\n")
        behind = lines[0] if start else b""
        size = len(behind)
        if size > _LONGEST:
            behind = b""
        offset = start + len(block)
        for line in reversed(lines[1:] if start else lines):
            offset -= len(line)
            if line:
                yield offset, line
            offset -= 1
        end = start


def lines_from(text: BinaryIO, offset: int, most: int = 1 << 62) -> Iterator[tuple[int, bytes]]:
    """Offset and text of every whole line from `offset` on, in at most so many bytes."""
    text.seek(offset)
    behind, read = b"", 0
    while read < most and (block := text.read(min(_CHUNK, most - read))):
        read += len(block)
        lines = (behind + block).split(b"\n")
        behind = lines.pop()
        for line in lines:
            if line:
                yield offset, line
            offset += len(line) + 1
        if len(behind) > _LONGEST:
            offset, behind = offset + len(behind), b""


def offset_at(text: BinaryIO, moment: str) -> int:
    """Where the first record stands that is not older than `moment` (ISO 8601, UTC, as the log writes it)."""
    low, high = 0, text.seek(0, 2)
    while low < high:
        middle = (low + high) // 2
        found = _next(text, middle)
        if found is None or found[1] >= moment:
            high = middle
        else:
            low = found[0]
    return low


def _next(text: BinaryIO, offset: int) -> tuple[int, str] | None:
    """The end and the time of the first record that begins at `offset` or later."""
    text.seek(max(0, offset - 1))
    if offset:
        text.readline(_LONGEST)
    while line := text.readline(_LONGEST):
        if time := _TIME.search(line, 0, 400):
            return text.tell(), time[1].decode()
    return None
