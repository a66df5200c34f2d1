"""How much a log may take: RECORDER_QUOTA for its whole directory, RECORDER_MIN_FREE for what is left of the disk.

Counting every file for each record would cost more than the record. So the directory is counted now and then, and what
this process adds in between is added: with several processes the quota is exceeded by what the others write meanwhile.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

__all__ = ["NoSpaceError", "Space"]

_FREE_EVERY = 0.5
"""Seconds between two looks at what is free on the disk."""
_COUNT_EVERY = 2.0
"""Seconds between two counts of a directory, at least; a hundred times as long as a count took."""
_SHARE = 100


class NoSpaceError(OSError):
    """A limit is reached; the message says which."""


class Space:
    """The limits of one `_logs` directory. Thread-safe."""

    def __init__(self, directory: Path, quota: int = 0, min_free: int = 0) -> None:
        """Bytes; 0 is no limit."""
        self._directory = directory
        self._quota = quota
        self._min_free = min_free
        self._lock = threading.Lock()
        self._used = 0
        self._free = 0
        self._count_at = 0.0
        self._look_at = 0.0

    def take(self, size: int) -> None:
        """Count so many bytes as written. Raises NoSpaceError when that is too much, and counts nothing."""
        with self._lock:
            moment = time.monotonic()
            if self._min_free:
                if moment >= self._look_at:
                    self._free, self._look_at = _free(self._directory), moment + _FREE_EVERY
                if self._free - size < self._min_free:
                    raise NoSpaceError(f"less than {self._min_free} bytes would be free (RECORDER_MIN_FREE)")
                self._free -= size
            if self._quota:
                if moment >= self._count_at:
                    self._used = _used(self._directory)
                    took = time.monotonic() - moment
                    self._count_at = moment + max(_COUNT_EVERY, _SHARE * took)
                if self._used + size > self._quota:
                    raise NoSpaceError(f"the log's directory would hold more than {self._quota} bytes (RECORDER_QUOTA)")
                self._used += size

    def status(self) -> dict[str, int]:
        """Bytes used and free, and the limits; only what there is a limit for."""
        told: dict[str, int] = {}
        if self._quota:
            told |= {"used": _used(self._directory), "quota": self._quota}
        if self._min_free:
            told |= {"free": _free(self._directory), "min_free": self._min_free}
        return told


def _free(directory: Path) -> int:
    """Bytes that may still be written to the file system that a directory, existing or not, is on."""
    for path in (directory, *directory.parents):
        try:
            found = os.statvfs(path)
        except OSError:
            continue
        return found.f_bavail * found.f_frsize
    return 0


def _used(directory: Path) -> int:
    """Bytes of all files below a directory."""
    total, folders = 0, [str(directory)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue  # gone meanwhile, or not ours to see
    return total
