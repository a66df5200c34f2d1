"""The audit log: a writer that only appends, and beside it the reader.

A record is appended by one `write(2)` of newline + record + newline on an `O_APPEND` descriptor. The leading newline is
what saves the next record when a writer was killed in the middle of one: readers skip blank lines, and a torn line ends
where the next record begins. No lock between processes and no background thread: both were measured dearer, and a
worker that leaves through `os._exit` would lose what waits in memory.

A log may be renamed, compressed or removed under its writers (logrotate). A writer looks at the path after each record,
too, not only before: where another file stands, or none, it writes the record once more, to the file that belongs there.
So no acknowledged record is lost with a file that was being compressed or removed just then. It may stand in two files,
in the later one behind a space; `recorder.reader` takes it once.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson

from recorder.commits import Commits
from recorder.events import Event, encode, envelope, now, ulid
from recorder.runs import Run

if TYPE_CHECKING:
    from recorder.seal import Seal
    from recorder.space import Space

__all__ = ["LOG_NAME", "MAX_LINE", "BadLine", "Line", "Writer", "parse", "read"]

LOG_NAME = "profile.events.jsonl"
MAX_LINE = 64 << 20
MAX_OPEN = 128  # descriptors that one process holds
IDLE_NS = 50_000_000  # after which a writer looks whether its file was renamed before it writes, too


class Writer:
    """One process's way into one log. Thread-safe; a child after `fork` needs a new one (`Writer.usable`).

    `append` never raises for a full or broken disk: it returns False, counts the record in `lost`, and says so in the
    log with a `lost` record as soon as there is room again. The gap in `sequence` proves the same.
    """

    def __init__(
        self,
        directory: Path,
        root: Path,
        run: Run | None = None,
        *,
        fsync: bool = False,
        strict: bool = False,
        own_file: bool = False,
        seal: Seal | None = None,
        space: Space | None = None,
    ) -> None:
        """With `fsync` each operation waits until the disk has its last record, in `strict` mode its first, too.

        `own_file`: into a file of this writer's own beside the log, where processes cannot append to one safely.
        """
        self.directory = directory
        self.lost = 0
        self.losses: Counter[str] = Counter()
        """How many records were lost, by why."""
        self._root = root
        self._run = run
        self._id = ulid()
        name = f"{_host()}-{os.getpid()}.{self._id}"
        self.path = directory / (f"{LOG_NAME.removesuffix('.jsonl')}.{name}.jsonl" if own_file else LOG_NAME)
        self._commits = Commits(self._flush) if fsync else None
        self._strict = strict
        self._space = space
        self._link = seal.link(directory / LOG_NAME, self._id, f".{name}" if own_file else "") if seal else None
        self._pid = os.getpid()
        self._lock = threading.RLock()  # reentrant: a signal may come while we write, and its receiver may record too
        self._name = str(self.path)
        self._descriptor = -1
        self._file = (0, 0)
        """Device and inode of the open file."""
        self._latest_ns = 0
        """When the last record was made, by the monotonic clock."""
        self._unlooked: list[bytes] = []
        """Lines after which nobody has looked yet whether the file is still the one at the path."""
        self._sequence = 0
        self._announced = False
        self._unreported = 0
        self._reason = ""

    @property
    def usable(self) -> bool:
        """False in a process other than the one that made this writer."""
        return self._pid == _process_id

    @property
    def written(self) -> int:
        """How many records it has numbered, those that were lost included."""
        return self._sequence

    def append(self, event: Event) -> bool:
        """Write the event, numbered; return whether all of it is in the log."""
        with self._lock:
            numbered = self._sequence
            try:
                if (
                    self._descriptor < 0
                    or not self._announced
                    or self._unreported
                    or event["mono_ns"] - self._latest_ns > IDLE_NS
                ):
                    self._prepare(event)
                self._latest_ns = event["mono_ns"]
                self._write(event)
            except OSError as error:
                if self._sequence == numbered:
                    self._sequence += 1  # where the file could not even be opened: the gap is to prove it all the same
                self._count_loss(error.strerror or str(error))
                return False
        if self._commits is not None and (self._strict or event["stage"] != "started"):
            lost = self.lost
            self._commits.wait()
            return self.lost == lost
        return True

    def _prepare(self, event: Event) -> None:
        """Have the right file open, and in it what is to stand before the event. Raises OSError."""
        if self._descriptor < 0:
            self._open()
            self._write_again()
        elif event["mono_ns"] - self._latest_ns > IDLE_NS:
            if self._in_place(self._file):
                self._unlooked.clear()
            elif self._reopened():
                self._write_again()
        if not self._announced:
            self._write(self._opened_record())
            self._announced = True
            self._register()
        if self._unreported:
            self._write(self._lost_record())
            self._unreported = 0

    def close(self) -> None:
        """Close the file, and sign what was not; the next `append` opens it again and goes on counting."""
        with self._lock:
            if self._link is not None:
                self._link.checkpoint()
            _open_writers.pop(self, None)
            if self._descriptor >= 0:
                if self._commits is not None:
                    self._flush()
                descriptor, self._descriptor = self._descriptor, -1
                os.close(descriptor)

    def _checkpoint(self) -> None:
        with self._lock:
            if self._link is not None and self.usable:
                self._link.checkpoint()

    def _flush(self) -> None:
        descriptor = self._descriptor
        if descriptor < 0:
            return  # it was flushed when it was closed
        try:
            os.fdatasync(descriptor)
        except OSError as error:
            if descriptor == self._descriptor:
                self._count_loss(f"fdatasync: {error.strerror}")

    def _close_if_idle(self) -> None:
        if self._lock.acquire(blocking=False):
            try:
                self.close()
            finally:
                self._lock.release()

    def _write(self, event: Event) -> None:
        """Write an event as the next one. Raises OSError when not all of it is in the log."""
        self._sequence += 1
        event["writer"] = self._id
        event["sequence"] = self._sequence
        record = encode(event)
        link = self._link
        if link is not None:
            record = link.chained(record)
        line = b"\n%b\n" % record
        if self._space is not None:
            self._space.take(len(line))
        file = self._file  # a signal's receiver may record, too, and open another
        written = self._write_whole(line)
        if link is not None:
            self._link_last(record, written)
        if link is None and event["stage"] == "started":
            # To look costs as much as to write. Whatever comes next looks for both, and writes this again if it must.
            self._unlooked.append(line)
        elif self._in_place(file):
            self._unlooked.clear()
        else:
            self._write_elsewhere(record, line)
        if link is not None:
            self._sign(event)
        if self._commits is not None:
            self._commits.wrote()

    def _write_whole(self, text: bytes) -> int:
        """Write lines, but for the last newline perhaps: the next record brings one. Raises OSError."""
        written = os.write(self._descriptor, text)
        if written < len(text) - 1:
            raise OSError("short write")
        return written

    def _write_elsewhere(self, record: bytes, line: bytes) -> None:
        """Write into the file that is at the path now a line, and all that nobody has looked after.

        They stand in one that was renamed, unless it was removed: then it raises OSError where it cannot be done.
        """
        lines = [*self._unlooked, line]
        while True:
            stands = os.fstat(self._descriptor).st_nlink > 0
            if not self._reopened():
                return
            lines = [b"\n " + each[1:] for each in lines]  # no two files begin with the same bytes: each is told by its first
            file, text = self._file, b"".join(lines)
            try:
                written = self._write_whole(text)
            except OSError:
                if not stands:
                    raise
                return
            if self._link is not None:
                self._link_last(record, written)
            if self._in_place(file):
                self._unlooked.clear()
                return

    def _write_again(self) -> None:
        """Write what may stand in a file that was renamed meanwhile. Raises OSError."""
        if self._unlooked:
            self._write_whole(b"".join([b"\n " + line[1:] for line in self._unlooked]))
            self._unlooked.clear()

    def _link_last(self, record: bytes, written: int) -> None:
        assert self._link is not None
        end = os.lseek(self._descriptor, 0, os.SEEK_CUR)  # where O_APPEND put it (open(2))
        self._link.wrote(record, self._sequence, end - written + 1)

    def _sign(self, event: Event) -> None:
        """Sign a checkpoint where one is due. A work-horse leaves through `os._exit`, so the end of a job is signed."""
        assert self._link is not None
        if self._link.due or (event["category"] == "rq_job" and event["stage"] != "started"):
            self._link.checkpoint()
        elif self._link.first:
            from recorder.seal import after_a_while

            after_a_while(self._checkpoint)

    def _in_place(self, file: tuple[int, int]) -> bool:
        """Whether this file is the one at the path. (Measured: 1 µs more than an fstat, which sees removal alone.)"""
        try:
            there = os.lstat(self._name)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == file

    def _reopened(self) -> bool:
        """Open the file that belongs at the path. False where there can be none: then a renamed one is gone on with.

        Raises OSError when the open one was removed.
        """
        try:
            self._open()
        except OSError:
            if os.fstat(self._descriptor).st_nlink:
                return False
            self.close()
            raise
        return True

    def _count_loss(self, reason: str) -> None:
        self.lost += 1
        self.losses[reason] += 1
        self._unreported += 1
        self._reason = reason

    def _open(self) -> None:
        if self._run is None:
            self.directory.mkdir(0o750, parents=True, exist_ok=True)
        else:
            with contextlib.suppress(FileExistsError):
                self.directory.mkdir(0o750)  # never its parent: asking for a run does not make it
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(self._name, flags, 0o640)
        self.close()
        self._descriptor = descriptor
        there = os.fstat(descriptor)
        self._file = (there.st_dev, there.st_ino)
        _open_writers[self] = None
        if self._link is not None:
            _sign_at_the_end()
        if self._commits is not None:
            _flush_folder(self.directory)
        for idle in list(_open_writers)[:-MAX_OPEN]:
            idle._close_if_idle()
        if self._announced:
            self._register()

    def _register(self) -> None:
        with contextlib.suppress(OSError):
            register(self._root, self.directory / LOG_NAME, self._run)

    def _opened_record(self) -> Event:
        payload = {
            "kind": "log_opened",
            "recorder_root": str(self._root),
            "pid": self._pid,
            "hostname": os.uname().nodename,
            "versions": versions(),
        }
        return self._record(payload)

    def _lost_record(self) -> Event:
        return self._record({"kind": "lost", "count": self._unreported, "reason": self._reason})

    def _record(self, payload: dict[str, object]) -> Event:
        return envelope("system_log", None, payload, run_context=self._run.context if self._run else None)


_process_id = os.getpid()
"""Remembered: to ask the system costs as much as the rest of `usable` ten times over."""


def _note_process() -> None:
    global _process_id
    _process_id = os.getpid()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_process)

_open_writers: dict[Writer, None] = {}  # in the order they were opened; runs are many, descriptors are few


@functools.cache
def _sign_at_the_end() -> None:
    atexit.register(_close_all)


def _close_all() -> None:
    for writer in list(_open_writers):
        if writer.usable:
            writer.close()


def _flush_folder(folder: Path) -> None:
    """Bring the name of a new file to the disk, too."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _host() -> str:
    """The name of this machine as it may stand in the name of a file."""
    return re.sub(r"[^A-Za-z0-9-]", "-", os.uname().nodename)[:64] or "host"


def versions() -> dict[str, str]:
    """Return the versions of Python, this package and the frameworks that this process has loaded."""
    from importlib import metadata  # slow to import, and only needed here

    found = {"python": "{}.{}.{}".format(*sys.version_info[:3])}
    for distribution, module in _COMPONENTS:
        if module in sys.modules:
            with contextlib.suppress(metadata.PackageNotFoundError):
                found[distribution] = metadata.version(distribution)
    return found


_COMPONENTS = (
    ("profile-test-engine", "recorder"),
    ("django", "django"),
    ("django-rq", "django_rq"),
    ("fastapi", "fastapi"),
    ("flask", "flask"),
    ("gunicorn", "gunicorn"),
    ("redis", "redis"),
    ("rq", "rq"),
    ("starlette", "starlette"),
    ("uvicorn", "uvicorn"),
    ("waitress", "waitress"),
)


def register(root: Path, log: Path, run: Run | None) -> None:
    """Name the log in `root/logs.jsonl`, unless it is there. (Two processes at once may name it twice.)"""
    known = root / "logs.jsonl"
    entry = {
        "v": 1,
        "log": str(log),
        "run_id": run.run_id if run else None,
        "config": run.config if run else None,
        "opened": now(),
    }
    with contextlib.suppress(FileNotFoundError):
        if orjson.dumps(str(log)) in known.read_bytes():
            return
    root.mkdir(0o750, parents=True, exist_ok=True)
    descriptor = os.open(known, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        os.write(descriptor, b"\n%b\n" % encode(entry))
    finally:
        os.close(descriptor)


class Line(NamedTuple):
    """An event, and the byte offset at which its line begins."""

    offset: int
    event: Event


class BadLine(NamedTuple):
    """A line that is no event: `torn` (cut short by a crash) or `foreign` (not ours)."""

    offset: int
    reason: str


def read(path: str | os.PathLike[str], offset: int = 0) -> Iterator[Line | BadLine]:
    """Yield the log's events in file order, from a byte offset on, and what is not an event as `BadLine`.

    Raises OSError when the file cannot be read. Memory is bounded by the longest line (64 MiB; longer is foreign).
    """
    with open(path, "rb") as file:
        file.seek(offset)
        while line := file.readline(MAX_LINE):
            # The end may be a record that is being written: of a large one a reader sees a page after the other.
            while not line.endswith(b"\n") and len(line) < MAX_LINE and (more := file.readline(MAX_LINE - len(line))):
                line += more
            start, offset = offset, offset + len(line)
            if line != b"\n":
                event = parse(line)
                yield BadLine(start, event) if isinstance(event, str) else Line(start, event)


def parse(line: bytes) -> Event | str:
    """Return the event that a line holds, or why it holds none."""
    try:
        event = orjson.loads(line)
    except ValueError:
        return "torn" if line.lstrip().startswith(b'{"v":') else "foreign: not JSON"
    if not isinstance(event, dict) or not event.keys() >= {"v", "id", "category"}:
        return "foreign: not an event"
    return event
