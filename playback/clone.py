"""Copy a seed into an empty workspace, fast and whole or not at all.

The copy grows under another name beside the target and is renamed when it is complete, so a workspace that exists is
a complete one. `copy_file_range(2)` shares the blocks by itself where the file system can (XFS, Btrfs, bcachefs).
The seed is only ever read: nothing is locked, touched or removed in it. `_logs/` at its top is left out.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from playback.cancelling import CANCELLED
from playback.errors import BadProfile, PlaybackError, Unjudgeable
from playback.trash import delete, discard

__all__ = ["CloneSummary", "clone", "discard", "tree_hash"]

LEFT_OUT = "_logs"
RUN_ROOT = "PROFILE_PLAYBACK_RUN_ROOT"
THREADS = 4  # for cold disks and network file systems; on a warm local disk one is as fast
CHUNK = 1 << 28  # bytes; between two of them a cancelled run is noticed
NO_RANGE_COPY = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}
FULL = {errno.ENOSPC, errno.EDQUOT}

Item = TypeVar("Item")


@dataclass(frozen=True)
class CloneSummary:
    """How much was cloned."""

    files: int
    bytes: int


class _Entry(NamedTuple):
    """Something below a tree: its relative path and what lstat said."""

    path: str
    stat: os.stat_result


def _looks(seen: os.stat_result) -> tuple[int, int, int, int, int, int]:
    """What tells that a file is still the same one, with the same content."""
    return (seen.st_mode, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino, seen.st_dev)


def clone(source: Path, target: Path, cancelled: threading.Event | None = None) -> CloneSummary:
    """Copy the tree below `source` to `target`, which must not exist or be an empty directory.

    Modes (without set-id bits) and modification times are kept. Raises BadProfile when the seed is missing, cannot be
    read, or holds a symbolic link, device, pipe or socket; Unjudgeable when the disk is full, the workspace cannot be
    written, the seed changed meanwhile, or `cancelled` was set. After any error nothing of the copy is left.
    """
    cancelled = cancelled or threading.Event()
    if not source.is_dir() or source.is_symlink():
        raise BadProfile(f"The seed {source} is missing: a directory with the run's files belongs there.")
    if target.resolve().is_relative_to(source.resolve()):
        raise BadProfile(f"The workspace {target} lies inside the seed {source}; choose another {RUN_ROOT}.")
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise Unjudgeable(f"The workspace {target} is not empty; a clone never writes over anything.")
    partial = target.with_name(f".{target.name}.cloning")
    try:
        entries = _scan(source)
        _refuse_odd(source, entries)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir(mode=0o700)
        try:
            copied = _copy_tree(source, partial, entries, cancelled)
            if [(path, _looks(seen)) for path, seen in _scan(source)] != [
                (path, _looks(seen)) for path, seen in entries
            ]:
                raise _changed(source)
            partial.rename(target)
        except BaseException:
            delete(partial)
            raise
    except OSError as error:
        raise _refusal(error, source, target) from error
    return copied


def tree_hash(path: Path) -> str:
    """SHA-256 (hex) over names, kinds, contents and link targets below `path`, without modes, times and `_logs/`."""
    entries = _scan(path)
    contents: dict[str, str] = {}

    def digest(entry: _Entry) -> None:
        with (path / entry.path).open("rb") as file:
            contents[entry.path] = hashlib.file_digest(file, "sha256").hexdigest()

    _spread(digest, (entry for entry in entries if stat.S_ISREG(entry.stat.st_mode)))
    total = hashlib.sha256()
    for entry in sorted(entries, key=lambda entry: os.fsencode(entry.path)):
        content = contents.get(entry.path, "")
        if stat.S_ISLNK(entry.stat.st_mode):
            content = str((path / entry.path).readlink())
        line = f"{stat.S_IFMT(entry.stat.st_mode):o}\0{entry.path}\0{content}\0"
        total.update(os.fsencode(line))
    return total.hexdigest()


def _scan(root: Path) -> list[_Entry]:
    """Everything below `root`, a directory before what is in it; links are not followed."""
    found: list[_Entry] = []
    folders = deque([""])
    while folders:
        folder = folders.popleft()
        with os.scandir(root / folder) as listing:
            names = sorted(listing, key=lambda item: item.name)
        for item in names:
            if not folder and item.name == LEFT_OUT:
                continue
            entry = _Entry(f"{folder}/{item.name}" if folder else item.name, item.stat(follow_symlinks=False))
            found.append(entry)
            if stat.S_ISDIR(entry.stat.st_mode):
                folders.append(entry.path)
    return found


def _refuse_odd(source: Path, entries: list[_Entry]) -> None:
    for entry in entries:
        mode = entry.stat.st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            continue
        what = "a symbolic link" if stat.S_ISLNK(mode) else "no regular file (a device, pipe or socket)"
        raise BadProfile(
            f"{source / entry.path} is {what}; a seed holds files and directories only. Put the file itself there."
        )


def _copy_tree(source: Path, target: Path, entries: list[_Entry], cancelled: threading.Event) -> CloneSummary:
    folders = [entry for entry in entries if stat.S_ISDIR(entry.stat.st_mode)]
    files = [entry for entry in entries if stat.S_ISREG(entry.stat.st_mode)]
    for folder in folders:
        (target / folder.path).mkdir(mode=0o700)

    def copy(entry: _Entry) -> None:
        _copy_file(f"{source}/{entry.path}", f"{target}/{entry.path}", entry.stat, cancelled)

    _spread(copy, files)
    for folder in reversed(folders):
        _keep_looks(target / folder.path, folder.stat)
    _keep_looks(target, source.stat())
    return CloneSummary(len(files), sum(entry.stat.st_size for entry in files))


def _copy_file(source: str, target: str, seen: os.stat_result, cancelled: threading.Event) -> None:
    # Not blocking: a pipe that took the file's place must be noticed, not waited for.
    reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if _looks(os.fstat(reading)) != _looks(seen):
            raise _changed(source)
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if _copy_bytes(reading, writing, seen.st_size, cancelled) != seen.st_size:
                raise _changed(source)
            _keep_looks(writing, seen)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _copy_bytes(reading: int, writing: int, size: int, cancelled: threading.Event) -> int:
    """Copy `size` bytes from both descriptors' positions, fewer where the file ends before; return how many it were."""
    copied = 0

    def more() -> bool:
        if cancelled.is_set():
            raise Unjudgeable(CANCELLED)
        return copied < size

    if hasattr(os, "copy_file_range"):
        try:
            while more() and (moved := os.copy_file_range(reading, writing, CHUNK)):
                copied += moved
        except OSError as error:
            if error.errno not in NO_RANGE_COPY:
                raise
    # Whatever is left: everything where the call is not to be had, nothing otherwise.
    while more() and (block := os.read(reading, 1 << 20)):
        view = memoryview(block)
        while view:
            view = view[os.write(writing, view) :]
        copied += len(block)
    return copied


def _keep_looks(path: Path | int, seen: os.stat_result) -> None:
    os.chmod(path, seen.st_mode & 0o777)  # noqa: PTH101 - a descriptor too
    os.utime(path, ns=(seen.st_mtime_ns, seen.st_mtime_ns))


def _spread(work: Callable[[Item], None], items: Iterable[Item]) -> None:
    """Call `work` with every item in a few threads; the first error ends it and is raised."""
    pending = deque(items)

    def drain() -> None:
        with contextlib.suppress(IndexError):
            while True:
                item = pending.popleft()
                try:
                    work(item)
                except BaseException:
                    pending.clear()
                    raise

    with ThreadPoolExecutor(THREADS) as pool:
        drains = [pool.submit(drain) for _ in range(min(THREADS, len(pending)))]
        try:
            for outcome in drains:
                outcome.result()
        finally:
            pending.clear()


def _changed(source: Path | str) -> PlaybackError:
    return Unjudgeable(f"{source} changed while it was being cloned; let its writer finish and run again.")


def _refusal(error: OSError, source: Path, target: Path) -> PlaybackError:
    if error.errno in FULL:
        free = shutil.disk_usage(target.parent).free
        return Unjudgeable(
            f"The disk is full: {source} does not fit below {target.parent} ({free / 1e6:.0f} MB free there). "
            f"Make room or choose another {RUN_ROOT}."
        )
    where = str(error.filename or "")
    if where.startswith(str(source)):
        return BadProfile(f"The seed cannot be read: {where}: {error.strerror}.")
    return Unjudgeable(f"The workspace {target} cannot be written: {error.strerror} ({where or 'no path given'}).")
