"""Follow an audit log while it grows, through every rotation: every event once, resumable.

The operating system tells when something was appended (`recorder.notices`); every 100 ms the files are looked at all the
same, since nobody tells what another machine writes to a network file system.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from recorder.events import Event
from recorder.log import BadLine, parse
from recorder.notices import Notices
from recorder.reader import Reader, Seen

__all__ = ["Position", "tail"]


class Position(NamedTuple):
    """Where to resume: the id of the first record in a file, and a byte offset in that file's text.

    Where each process has a file of its own, `others` says the same of the other files.
    """

    generation: str
    offset: int
    others: tuple[tuple[str, int], ...] = ()


def tail(
    path: str | os.PathLike[str], position: Position | None = None, stop: Callable[[], bool] | None = None
) -> Iterator[tuple[Position, Event | BadLine]]:
    """Yield `(position, event or BadLine)` for ever; resume at the position of the last item that was dealt with.

    Begins with the oldest file of the log, or at `position`, wherever that file is by now. A line counts when its newline
    is there; the unfinished rest of a file that was rotated is reported as torn. A file that is not there yet is waited
    for. `stop` is asked at least every 100 ms; when it says True, the iteration ends as soon as nothing is left to read:
    `tail(path, stop=lambda: True)` reads what there is. An event comes once, and after resuming perhaps once more, with
    the same `id`: files that began within a minute before that of `position` are read again. Raises OSError when the log
    exists and cannot be read.
    """
    reader, seen, notices = Reader(Path(path), hold=True), Seen(), None
    try:
        if position is not None:
            reader.resume(*position)
        while True:
            over, news = stop is not None and stop(), False  # asked before the look: what was there by then is read
            for generation, lines in reader.blocks():
                news = True
                others = tuple(
                    (other.first.id, other.offset)
                    for other in reader.generations
                    if other.file.own and other is not generation
                )
                for line in lines:
                    start = generation.offset
                    generation.offset += len(line) + 1
                    if not line:
                        continue
                    event = parse(line)
                    if isinstance(event, str):
                        yield Position(generation.first.id, generation.offset, others), BadLine(start, event)
                    elif not seen.again(event.get("writer"), event.get("sequence")):
                        yield Position(generation.first.id, generation.offset, others), event
            if over:
                if not news:
                    return
                continue
            if notices is None:
                notices = Notices(Path(path).parent)
            notices.wait(news=news)
    finally:
        reader.close()
        if notices is not None:
            notices.close()
