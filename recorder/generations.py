"""The files that one audit log became: the live one, and those that rotation renamed, copied or compressed beside it.

A name says nothing: `….jsonl.1` is `….jsonl.2` tomorrow and `….jsonl.2.gz` after that. So a generation, which is one
file's worth of records, is known by the id of its first record, and its age by a record's time. A record that was written
again after a rotation stands behind a space for each time (recorder/log.py): it identifies its file by that, and says
nothing of its age.

Where a log is on a network file system (RECORDER_LOG_PER_PROCESS), each writer has a file of its own beside the log, which
is told by its name: several of them grow at once.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cmp_to_key
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from recorder.log import MAX_LINE, parse

__all__ = ["CHUNK", "BrokenFileError", "File", "First", "Generations", "chunks", "cut"]

CHUNK = 256 << 10
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "lzma"}
"""The first bytes of a compressed file, and the module of the standard library that reads it. Names may lie."""
_HEAD = 64  # bytes at the beginning of a file; the id of its first record is among them
_SEARCHED = 8 << 20  # bytes in which a first record is looked for
_SETTLED_NS = 100_000_000  # a folder that changed later than this before a look may change again within one tick
_LOOKS = 10
_OWN = re.compile(r"\.[0-9A-HJKMNP-TV-Z]{26}(?P<grows>\.jsonl$)?(?:[.-]|$)")
"""In the name of a file that has one writer, whatever rotation adds to it."""
DOUBT_S = 60
"""Files that began within as many seconds may be told to have done so in the wrong order."""


class BrokenFileError(OSError):
    """A compressed file that breaks off, or is none."""


class First(NamedTuple):
    """The identity of a generation, which is its first record's id and a `+` for each space before it, and its age.

    That is of its first record that was not written before, if it holds any; else `again` says how often it was.
    """

    id: str
    timestamp: str
    boot_id: str
    mono_ns: int
    again: int = 0

    def certainly_before(self, other: First) -> bool:
        """Whether this is older by more than a writer may be stopped between making a record and writing it."""
        if self.boot_id == other.boot_id:
            return other.mono_ns - self.mono_ns > DOUBT_S * 10**9
        try:
            apart = datetime.fromisoformat(other.timestamp) - datetime.fromisoformat(self.timestamp)
        except (ValueError, TypeError):
            return False
        return apart.total_seconds() > DOUBT_S


class Stamp(NamedTuple):
    """What changes when a file does."""

    device: int
    inode: int
    size: int
    changed_ns: int


class File(NamedTuple):
    """A file of the log, as it was found. `first` is None when it holds no event; `problem` says why it cannot be read."""

    path: Path
    stamp: Stamp
    live: bool = False
    compression: str | None = None
    first: First | None = None
    problem: str | None = None
    head: bytes = b""

    @property
    def own(self) -> bool:
        """Whether it has one writer, beside whose file others grow: nothing is older or newer than it as a whole."""
        return _OWN.search(self.path.name) is not None

    @property
    def grows(self) -> bool:
        """Whether more may be appended to it: it is the log itself, or that of a writer that has its own."""
        if self.live:
            return True
        found = _OWN.search(self.path.name)
        return found is not None and found["grows"] is not None

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """Higher is better to read from, where two files hold one generation: while it is copied or compressed."""
        return self.live, self.compression is None, self.stamp.size

    def opened(self, mode: str = "rb") -> BinaryIO | None:
        """The file, open at its text. None when another is at its path by now, or none at all.

        The number of a file that was removed may be another's by now; what it begins with tells them apart.
        """
        try:
            text = _opened(self.path, self.compression, mode)
        except FileNotFoundError:
            return None
        there = text.fileno()
        if _stamp(os.fstat(there))[:2] == self.stamp[:2] and os.pread(there, len(self.head), 0) == self.head:
            return text
        text.close()
        return None


class Generations:
    """Looks at the files of one log. What was learnt about a file is remembered while the file stays as it is."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._head = b""
        self._first: First | None = None
        self._rotated: list[File] = []
        self._settled = -1
        """When the folder changed last, if that is long enough ago to tell the next change from it."""
        self._seen: Stamp | None = None
        """The live file as it was looked at, likewise."""

    def look(self) -> list[File]:
        """Every file that is there now, the oldest generation first, the live file last.

        The live one is looked at before the others: what a writer put there, it put there after all that it put into
        them. Raises OSError when the live file cannot be read.
        """
        live = self._live()
        rotated = self._siblings()
        self._seen = live.stamp if live and time.time_ns() - live.stamp.changed_ns > _SETTLED_NS else None
        return [*rotated, live] if live else rotated

    def quiet(self) -> bool:
        """Whether all is certainly as the last look found it. (A few stats, where a look opens the live file.)"""
        try:
            return (
                self._seen == _stamp(os.lstat(self.log))
                and self._settled == self.log.parent.stat().st_mtime_ns
                and all(file.stamp == _stamp(os.lstat(file.path)) for file in self._rotated)
            )
        except OSError:
            return False

    def _live(self) -> File | None:
        try:
            file = self.log.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            return None
        with file:
            stamp = _stamp(os.fstat(file.fileno()))
            head = os.pread(file.fileno(), _HEAD, 0)
            if head != self._head or len(head) < _HEAD or self._first is None:
                self._head, self._first = head, _first(file)
        problem = _problem(self._first, stamp)
        return File(self.log, stamp, live=True, first=self._first, problem=problem, head=head)

    def _siblings(self) -> list[File]:
        """The rotated files. The folder is listed only when it has changed since."""
        try:
            changed = self.log.parent.stat().st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            return []
        if changed == self._settled and all(self._grown()):
            return self._rotated
        looked = time.time_ns()
        known = {file.stamp: file for file in self._rotated}
        for _ in range(_LOOKS):
            found = [_identified(path, stamp, known.get(stamp)) for path, stamp in self._listed()]
            if None not in found:
                break  # none was renamed under our eyes
        self._rotated = _by_age(file for file in found if file)
        self._settled = changed if looked - changed > _SETTLED_NS else -1
        return self._rotated

    def _grown(self) -> Iterator[bool]:
        """Whether each rotated file is still there; one that grew is told so in place."""
        for index, file in enumerate(self._rotated):
            try:
                stamp = _stamp(os.lstat(file.path))
            except FileNotFoundError:
                yield False
                return
            if stamp != file.stamp:
                yield stamp[:2] == file.stamp[:2] and file.first is not None and file.compression is None
                self._rotated[index] = file._replace(stamp=stamp)
        yield True

    def _listed(self) -> list[tuple[Path, Stamp]]:
        """The rotated files with their stamps. Listed until two lists agree: a rename on the way can hide a file."""
        listed: list[tuple[Path, Stamp]] = []
        for _ in range(_LOOKS):
            before, listed = listed, sorted(_rotated(self.log))
            if [(path, stamp[:2]) for path, stamp in before] == [(path, stamp[:2]) for path, stamp in listed]:
                break
        return listed


def _rotated(log: Path) -> Iterator[tuple[Path, Stamp]]:
    """`log.1`, `log-20261120`, `log.1.gz`, and with logrotate's `extension` `profile.events.1.jsonl`."""
    beginnings = (f"{log.stem}.", f"{log.stem}-")
    try:
        with os.scandir(log.parent) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(beginnings) and entry.name != log.name]
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        path = log.parent / name
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            continue
        if stat.S_ISREG(status.st_mode):
            yield path, _stamp(status)


def _identified(path: Path, stamp: Stamp, known: File | None) -> File | None:
    """The file at `path`; None when it has just gone."""
    if known:
        return known._replace(path=path)
    try:
        with path.open("rb") as raw:
            head = raw.read(_HEAD)
        compression = next((name for magic, name in _COMPRESSED.items() if head.startswith(magic)), None)
        with _opened(path, compression) as file:
            first = _first(file)
    except FileNotFoundError:
        return None
    except (OSError, ImportError) as error:
        return File(path, stamp, problem=_reason(error))
    return File(path, stamp, False, compression, first, _problem(first, stamp), head)


def _problem(first: First | None, stamp: Stamp) -> str | None:
    return None if first or not stamp.size else "it holds no event"


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _opened(path: Path, compression: str | None, mode: str = "rb") -> BinaryIO:
    return cast(BinaryIO, import_module(compression).open(path) if compression else path.open(mode))


def chunks(file: BinaryIO, left: int = -1) -> Iterator[bytes]:
    """What an open file holds from here on, `left` bytes at most. Raises BrokenFileError when it breaks off."""
    while left:
        try:
            chunk = file.read1(CHUNK if left < 0 else min(CHUNK, left))  # type: ignore[attr-defined]
        except Exception as error:  # each compression has its own
            raise BrokenFileError(str(error) or type(error).__name__) from error
        if not chunk:
            return
        left -= len(chunk) if left > 0 else 0
        yield chunk


def cut(text: Iterator[bytes], offset: int = 0, *, final: bool = True) -> Iterator[tuple[int, list[bytes]]]:
    """Text that begins at `offset`, cut into lines: some, without their newlines, and the offset of the first.

    What follows after the last newline is a line only if it is `final`. One that is longer than any event can be is
    passed over without being held, save for its end.
    """
    pieces: list[bytes] = []
    held = 0
    for chunk in text:
        lines = chunk.split(b"\n")
        pieces.append(lines[0])
        held += len(lines[0])
        if len(lines) > 1:
            lines[0] = b"".join(pieces)
            end = lines.pop()
            pieces, held = [end], len(end)
            yield offset, lines
            offset += sum(map(len, lines)) + len(lines)
        elif held > MAX_LINE:
            offset += held
            pieces, held = [], 0
    if held and final:
        yield offset, [b"".join(pieces)]


def _first(file: BinaryIO) -> First | None:
    """What the first events of an open file tell of it."""
    found: First | None = None
    try:
        for _, lines in cut(chunks(file, _SEARCHED), final=False):
            for line in lines:
                event = parse(line) if line else ""
                if isinstance(event, dict):
                    spaces = len(line) - len(line.lstrip(b" "))
                    mono = event.get("mono_ns")
                    found = First(
                        found.id if found else str(event["id"]) + "+" * spaces,
                        str(event.get("timestamp") or ""),
                        str(event.get("boot_id") or ""),
                        mono if isinstance(mono, int) else 0,
                        spaces,
                    )
                    if not spaces:
                        return found
    except BrokenFileError:
        if file.tell() == 0:
            raise
    return found


def _by_age(files: Iterable[File]) -> list[File]:
    return sorted(files, key=cmp_to_key(_older))


def _older(one: File, other: File) -> int:
    """Below 0 when `one` began before `other`: by the clock that never goes back, where both have the same."""
    a, b = one.first, other.first
    if a is None or b is None:
        return (a is not None) - (b is not None)
    if a.id.rstrip("+") == b.id.rstrip("+"):
        return len(a.id) - len(b.id)
    same_boot = a.boot_id == b.boot_id
    mine, theirs = ((each.mono_ns if same_boot else each.timestamp, each.again) for each in (a, b))
    return (mine > theirs) - (mine < theirs)


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
