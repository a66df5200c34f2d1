"""Follow an audit log while it grows: every event once, resumable by offset.

Waiting is a `stat` in short sleeps (5 ms after news, 100 ms when idle): cheap, and the same on every file system.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from recorder.events import Event
from recorder.log import MAX_LINE, BadLine, parse

__all__ = ["tail"]

SHORTEST, LONGEST = 0.005, 0.1  # seconds between two looks


def tail(
    path: str | os.PathLike[str], offset: int = 0, stop: Callable[[], bool] | None = None
) -> Iterator[tuple[int, Event | BadLine]]:
    """Yield `(offset, event or BadLine)` for ever; `offset` (bytes) is where to resume when the item was dealt with.

    A line counts when its newline is there. When another file stands at `path` (rotation by rename), the old one is
    read to its end, an unfinished rest is reported as torn, and offsets begin again at 0; so they do when the file was
    truncated. A file that is not there yet is waited for. `stop` is asked each time there is nothing left to read; when
    it says True, the iteration ends: `tail(path, stop=lambda: True)` reads what there is. Raises OSError when the file
    exists and cannot be read.
    """
    path, file = Path(path), None
    pause, replaced = SHORTEST, False
    try:
        while True:
            before = offset
            file = file or _open(path)
            if file is not None:
                if os.fstat(file.fileno()).st_size < offset:
                    offset = 0
                for offset, item in _lines(file, offset):  # noqa: B020  the newest offset is what we go on with
                    if item is not None:
                        yield offset, item
                if offset == before and replaced:
                    if _has_rest(file, offset):
                        yield 0, BadLine(offset, "torn")
                    file.close()
                    file, offset, replaced = None, 0, False
                    continue
                if offset == before and (replaced := _replaced(file, path)):
                    continue  # read once more: a line may have come before the rename
            if offset != before:
                pause = SHORTEST
                continue
            if stop is not None and stop():
                return
            time.sleep(pause)
            pause = min(LONGEST, pause * 1.5)
    finally:
        if file is not None:
            file.close()


def _open(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _lines(file: BinaryIO, offset: int) -> Iterator[tuple[int, Event | BadLine | None]]:
    """The complete lines from `offset` on, each with the offset behind it; None for a blank one."""
    file.seek(offset)
    while (line := file.readline(MAX_LINE)).endswith(b"\n") or len(line) == MAX_LINE:
        start, offset = offset, offset + len(line)
        found = parse(line) if line != b"\n" else None
        yield offset, BadLine(start, found) if isinstance(found, str) else found


def _has_rest(file: BinaryIO, offset: int) -> bool:
    file.seek(offset)
    return bool(file.read(1))


def _replaced(file: BinaryIO, path: Path) -> bool:
    """Whether another file stands at `path` now. (None at all: it may only have been moved; wait for the next.)"""
    try:
        return not os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
