"""What becomes of old logs: those that nobody writes any more are compressed, and what is too old goes.

Nobody who reads or writes meanwhile is disturbed: a file is renamed, then compressed beside itself, then removed, as any
rotation does it (docs/formats.md, Rotation). What an open capture needs stays. A body goes in two steps, a run apart: the
same content may be recorded again just when nothing names it any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from recorder.events import now as timestamp
from recorder.generations import File, Generations, chunks, cut
from recorder.log import parse
from recorder.manifest import OPEN, Manifest
from recorder.replay import lines_of
from recorder.seal import Checkpoint, Seal
from recorder.snapshots import SNAPSHOTS_NAME

__all__ = ["Chore", "Retention", "alone", "chores"]

DAY = 86_400.0
_REF = re.compile(rb'"ref":"([0-9a-f]{2}/[0-9a-f]{64})"')
_ASIDE, _GONE = ".aside", ".expired"
_PIECE = 1 << 20


@dataclass(frozen=True)
class Retention:
    """Days after which a file that does not change is compressed, and is removed. 0: never."""

    compress: int = 7
    expire: int = 0


@dataclass(frozen=True)
class Chore:
    """One thing to be done. `why` is a short phrase for people; `act` does it, and raises OSError."""

    kind: Literal["compress", "remove", "notice"]
    what: str
    why: str
    act: Callable[[], None] = lambda: None


def chores(
    log: Path, keep: Retention, now: float, seal: Seal | None = None, root: Path | None = None
) -> Iterator[Chore]:
    """What is due for one log at `now` (seconds since 1970). A chore is to be done before the next one is asked for.

    `root` is the RECORDER_ROOT, whose captures may go through the logs of runs.

    Raises OSError, and ValueError for a list of captures that is none.
    """
    files = [file for file in Generations(log).look() if file.first is not None]
    needed = min(_needed_since(folder) for folder in (log.parent, (root or log.parent.parent) / "_logs"))
    gone = False
    for file in files:
        days = (now - file.stamp.changed_ns / 1e9) / DAY
        name = f"{log.parent}/{file.path.name}"
        why = f"last changed {datetime.fromtimestamp(file.stamp.changed_ns / 1e9, UTC):%Y-%m-%d}"
        if keep.expire and days >= keep.expire and file.stamp.changed_ns / 1e9 < needed:
            if seal is None and _is_sealed(file):
                yield Chore(
                    "notice", name, f"{why}, is sealed, and can only go where its seal is known (RECORDER_SEAL)"
                )
                continue
            gone = True
            yield Chore("remove", name, why, _Removal(log, file, seal))
        elif keep.compress and days >= keep.compress and file.compression is None:
            yield Chore("compress", name, why, _Compression(file))
    yield from _left_over(log.parent, now)
    if keep.expire:
        yield from _snapshots(log.parent, keep.expire, now)
        yield from _bodies(log, keep.expire, now, gone)


@contextlib.contextmanager
def alone(root: Path) -> Iterator[bool]:
    """Hold the lock of a RECORDER_ROOT; False where somebody else does."""
    with (root / ".housekeeping.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@dataclass(frozen=True)
class _Compression:
    """Compress one file, and take it away when that has been done."""

    file: File

    def __call__(self) -> None:
        path = self.file.path
        if self.file.grows:  # a writer that wakes up begins a new one
            stem = path.name.removesuffix(".jsonl")
            renamed = path.with_name(f"{stem}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.jsonl")
            path.rename(renamed)
            path = renamed
        aside = path.with_name(f".{path.name}.{os.getpid()}{_ASIDE}")
        try:
            while True:
                before = path.stat()
                with path.open("rb") as text, aside.open("wb") as raw:
                    os.fchmod(raw.fileno(), before.st_mode & 0o777)
                    with gzip.open(raw, "wb", 6) as packed:
                        shutil.copyfileobj(text, packed, _PIECE)
                    raw.flush()
                    os.fsync(raw.fileno())
                after = path.stat()
                if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
                    break  # else a writer was at it when it was renamed
            with contextlib.suppress(PermissionError):
                os.chown(aside, before.st_uid, before.st_gid)
            os.utime(aside, ns=(before.st_atime_ns, before.st_mtime_ns))  # its age is that of what it holds
            aside.rename(path.with_name(f"{path.name}.gz"))
            path.unlink()
        finally:
            aside.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Removal:
    """Remove one file; where it is sealed, say so under the seal before."""

    log: Path
    file: File
    seal: Seal | None

    def __call__(self) -> None:
        if self.seal is not None and _is_sealed(self.file):
            for writer, sequence in _newest(self.file).items():
                self.seal.sign(Checkpoint("expired", str(self.log), writer, sequence, 0, "", timestamp()))
        self.file.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Unlinked:
    paths: tuple[Path, ...]

    def __call__(self) -> None:
        for path in self.paths:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Renamed:
    pairs: tuple[tuple[Path, Path], ...]

    def __call__(self) -> None:
        for old, new in self.pairs:
            old.rename(new)


def _needed_since(log_dir: Path) -> float:
    """When the oldest capture began that is open there; infinity without one."""
    found = [c for c in Manifest(log_dir).captures() if c["state"] in OPEN]
    return min((datetime.fromisoformat(c["started"]).timestamp() for c in found), default=float("inf"))


def _is_sealed(file: File) -> bool:
    return any("chain" in event for event in _events(file, 3))


def _newest(file: File) -> dict[str, int]:
    """The highest sequence of each writer in a file."""
    found: dict[str, int] = {}
    for event in _events(file):
        writer, sequence = event.get("writer"), event.get("sequence")
        if isinstance(writer, str) and isinstance(sequence, int):
            found[writer] = max(sequence, found.get(writer, 0))
    return found


def _events(file: File, most: int | None = None) -> Iterator[dict[str, object]]:
    text = file.opened()
    if text is None:
        return
    with text:
        for _, lines in cut(chunks(text)):
            for line in filter(None, lines):
                event = parse(line)
                if not isinstance(event, str):
                    yield event
                    if most is not None and (most := most - 1) == 0:
                        return


def _left_over(log_dir: Path, now: float) -> Iterator[Chore]:
    """What killed programs left half made."""
    found = [*log_dir.glob(f".profile.events*{_ASIDE}"), *(log_dir / "profile.bodies").glob(".partial-*")]
    stale = tuple(path for path in found if _age(path, now) >= 1)
    if stale:
        count = "one file" if len(stale) == 1 else f"{len(stale)} files"
        yield Chore("remove", f"{log_dir}: {count}", "left half made", _Unlinked(stale))


def _snapshots(log_dir: Path, days: int, now: float) -> Iterator[Chore]:
    open_ones = {c["capture_id"] for c in Manifest(log_dir).captures() if c["state"] in OPEN}
    for path in sorted((log_dir / SNAPSHOTS_NAME).glob("*")):
        if path.name not in open_ones and _age(path, now) >= days:
            yield Chore("remove", str(path), "the snapshot of an old capture", _Unlinked((path,)))


def _bodies(log: Path, days: int, now: float, gone: bool) -> Iterator[Chore]:
    """Bodies that no record names any more: out of the way first, and removed by the next run."""
    directory = log.parent / "profile.bodies"
    waiting = {
        f"{path.parent.name}/{path.name[1:].removesuffix(_GONE)}": path for path in directory.glob(f"*/.*{_GONE}")
    }
    old = {f"{path.parent.name}/{path.name}": path for path in directory.glob("??/*") if _is_old(path, days, now)}
    if not waiting and not (old and gone):
        return
    named = {ref.decode() for line in lines_of(log) for ref in _REF.findall(line)}
    back = tuple(
        (path, path.with_name(path.name[1:].removesuffix(_GONE))) for ref, path in waiting.items() if ref in named
    )
    if back:
        yield Chore("notice", f"{directory}: {len(back)}", "bodies were recorded again and are kept", _Renamed(back))
    rest = tuple(path for ref, path in waiting.items() if ref not in named)
    if rest:
        yield Chore("remove", f"{directory}: {len(rest)}", "bodies that no record names", _Unlinked(rest))
    fresh = tuple((path, path.with_name(f".{path.name}{_GONE}")) for ref, path in old.items() if ref not in named)
    if fresh:
        why = "bodies that no record names go with the next run"
        yield Chore("notice", f"{directory}: {len(fresh)}", why, _Renamed(fresh))


def _is_old(body: Path, days: int, now: float) -> bool:
    return not body.name.startswith(".") and _age(body, now) >= days


def _age(path: Path, now: float) -> float:
    """Days since a file was written; 0 when it has gone."""
    try:
        return (now - path.lstat().st_mtime) / DAY
    except FileNotFoundError:
        return 0.0
