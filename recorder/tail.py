"""Follow an audit log while it grows, through every rotation: every event once, resumable.

Waiting is a look at the files in short sleeps (5 ms after news, 100 ms when idle): cheap, and the same on every file
system.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from recorder.events import Event
from recorder.log import BadLine, parse
from recorder.reader import Reader, Seen

__all__ = ["Position", "tail"]

SHORTEST, LONGEST = 0.005, 0.1  # seconds between two looks


class Position(NamedTuple):
    """Where to resume: the id of the first record in a file, and a byte offset in that file's text."""

    generation: str
    offset: int


def tail(
    path: str | os.PathLike[str], position: Position | None = None, stop: Callable[[], bool] | None = None
) -> Iterator[tuple[Position, Event | BadLine]]:
    """Yield `(position, event or BadLine)` for ever; resume at the position of the last item that was dealt with.

    Begins with the oldest file of the log, or at `position`, wherever that file is by now. A line counts when its newline
    is there; the unfinished rest of a file that was rotated is reported as torn. A file that is not there yet is waited
    for. `stop` is asked each time there is nothing left to read; when it says True, the iteration ends:
    `tail(path, stop=lambda: True)` reads what there is. An event comes once, and after resuming perhaps once more, with
    the same `id`: files that began within a minute before that of `position` are read again. Raises OSError when the log
    exists and cannot be read.
    """
    reader, seen, pause = Reader(Path(path), hold=True), Seen(), SHORTEST
    try:
        if position is not None:
            reader.resume(*position)
        while True:
            news = False
            for generation, lines in reader.blocks():
                news = True
                for line in lines:
                    start = generation.offset
                    generation.offset += len(line) + 1
                    if not line:
                        continue
                    event = parse(line)
                    if isinstance(event, str):
                        yield Position(generation.first.id, generation.offset), BadLine(start, event)
                    elif not seen.again(event.get("writer"), event.get("sequence")):
                        yield Position(generation.first.id, generation.offset), event
            if news:
                pause = SHORTEST
                continue
            if stop is not None and stop():
                return
            time.sleep(pause)
            pause = min(LONGEST, pause * 1.5)
    finally:
        reader.close()
