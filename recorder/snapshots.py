"""A run's directory as it was when a capture began on it.

Files are copied by the kernel (`copy_file_range`, which shares blocks where the file system can). Links are not
followed; they, devices and sockets are named as skipped. `_logs` at the top is left out.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["SNAPSHOTS_NAME", "Snapshot", "take"]

SNAPSHOTS_NAME = "profile.snapshots"
PIECE = 64 << 20  # bytes copied between two looks at the clock
UNSHARED = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)  # the kernel will not copy between these two


@dataclass(slots=True)
class Snapshot:
    """What was copied. `skipped` names, relative to the run, what was not; `complete` is False when time ran out."""

    files: int = 0
    size: int = 0  # bytes
    skipped: list[str] = field(default_factory=list)
    complete: bool = True


def take(run: Path, target: Path, seconds: float) -> Snapshot:
    """Copy the run's directory to `target`, which appears only when it is whole. Raises OSError.

    After `seconds` the copy is given up, `target` is not made, and the snapshot says that it is not complete.
    """
    snapshot = Snapshot()
    draft = target.with_name(target.name + ".partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(0o750, parents=True)
    try:
        _copy_folder(run, draft, run, snapshot, time.monotonic() + seconds)
        draft.rename(target)
    except TimeoutError:
        snapshot.complete = False
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return snapshot


def _copy_folder(source: Path, target: Path, run: Path, snapshot: Snapshot, deadline: float) -> None:
    with os.scandir(source) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if source == run and entry.name == "_logs":
                continue
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                (target / entry.name).mkdir()
                _copy_folder(path, target / entry.name, run, snapshot, deadline)
            elif (
                entry.is_file(follow_symlinks=False) and (size := _copy_file(path, target / entry.name, deadline)) >= 0
            ):
                snapshot.files += 1
                snapshot.size += size
            else:
                snapshot.skipped.append(str(path.relative_to(run)))
    shutil.copystat(source, target)


def _copy_file(source: Path, target: Path, deadline: float) -> int:
    """Copy a regular file; return its size, or -1 when it is none any more. Raises TimeoutError after the deadline."""
    try:
        reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.EACCES):
            return -1
        raise
    try:
        found = os.fstat(reading)
        if not stat.S_ISREG(found.st_mode):
            return -1
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            while True:
                if time.monotonic() > deadline:
                    raise TimeoutError
                if not _copy_piece(reading, writing):
                    break
            os.fchmod(writing, stat.S_IMODE(found.st_mode))
            os.utime(writing, ns=(found.st_atime_ns, found.st_mtime_ns))
            return os.fstat(writing).st_size
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _copy_piece(reading: int, writing: int) -> int:
    try:
        return os.copy_file_range(reading, writing, PIECE)
    except (OSError, AttributeError) as error:  # AttributeError: not Linux
        if isinstance(error, OSError) and error.errno not in UNSHARED:
            raise
    piece = os.read(reading, 1 << 20)
    view = memoryview(piece)
    while view:
        view = view[os.write(writing, view) :]
    return len(piece)


def remove(target: Path) -> None:
    """Remove a snapshot, if it is there."""
    shutil.rmtree(target, ignore_errors=True)
