"""A log that other processes write while it is rotated, as logrotate rotates it."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
from collections.abc import Iterator
from pathlib import Path

from recorder.events import envelope
from recorder.log import Writer


def rotate(log: Path) -> Path:
    """`log.2` becomes `log.3`, `log.1` becomes `log.2`, compressed or not, and `log` becomes `log.1`, which is returned."""
    for path in sorted(log.parent.iterdir(), key=_number, reverse=True):
        if number := _number(path):
            path.rename(path.with_name(f"{log.name}.{number + 1}{'.gz' if path.suffix == '.gz' else ''}"))
    with contextlib.suppress(FileNotFoundError):
        log.rename(f"{log}.1")
    return log.with_name(f"{log.name}.1")


def _number(path: Path) -> int:
    match = re.search(r"\.jsonl\.(\d+)(\.gz)?$", path.name)
    return int(match[1]) if match else 0


def compressed(path: Path) -> Path:
    """The file, compressed as gzip does it: the whole beside it first, then it goes."""
    packed = path.with_name(path.name + ".gz")
    if path.exists():
        packed.write_bytes(gzip.compress(path.read_bytes(), 1))
        path.unlink()
    return packed


class Writing:
    """Processes that append records. What `append` said is in the log is noted outside of it, in `folder`."""

    def __init__(self, log: Path, folder: Path, processes: int, records: int) -> None:
        self.folder = folder
        self._children = [self._write(log, number, records) for number in range(processes)]

    def alive(self) -> bool:
        """Whether any of them is still at it."""
        self._children = [child for child in self._children if os.waitpid(child, os.WNOHANG)[0] == 0]
        return bool(self._children)

    def acknowledged(self) -> list[str]:
        """The ids of the records that are in the log, in the order of each writer."""
        return [line for path in sorted(self.folder.glob("acknowledged.*")) for line in path.read_text().split()]

    def end(self) -> None:
        """Wait until all have come to their end."""
        for child in self._children:
            os.waitpid(child, 0)

    def _write(self, log: Path, number: int, records: int) -> int:
        child = os.fork()
        if child == 0:  # pragma: no cover
            try:
                writer = Writer(log.parent, self.folder)
                with (self.folder / f"acknowledged.{number}").open("w") as told:
                    for count in range(records):
                        event = envelope("system_log", None, {"kind": "error", "where": "x", "message": str(count)})
                        if writer.append(event):
                            print(event["id"], file=told, flush=True)
            finally:
                os._exit(0)
        return child


@contextlib.contextmanager
def writing(log: Path, folder: Path, processes: int, records: int) -> Iterator[Writing]:
    """Writers that are gone when the block is left."""
    writers = Writing(log, folder, processes, records)
    try:
        yield writers
    finally:
        writers.end()
