"""Notices that something changed in a folder: inotify(7), called through ctypes; elsewhere a short sleep.

A notice only ends a wait early. Whoever waits looks at the files anyway, now and then, since a network file system tells
nothing of what other machines write.
"""

from __future__ import annotations

import os
import select
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["Notices"]

SHORTEST, LONGEST = 0.005, 0.1
"""Seconds between two looks without notices, just after news and when all is quiet."""
_MASK = 0x002 | 0x040 | 0x080 | 0x100 | 0x200 | 0x400 | 0x800 | 0x0100_0000
"""IN_MODIFY, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_DELETE_SELF, IN_MOVE_SELF, IN_ONLYDIR."""
_APPEARING = 0x080 | 0x100 | 0x0100_0000
"""IN_MOVED_TO, IN_CREATE, IN_ONLYDIR."""
_IGNORED = 0x8000  # IN_IGNORED: the folder is watched no longer
_MOVED = 0x800
_HEAD = 16  # bytes before the name in an inotify_event: descriptor, mask, cookie, length


class Notices:
    """Waits for changes of the files in one folder. Never raises: what cannot be watched is looked at more often."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.fsencode(folder)
        self._pause = SHORTEST
        self._watch = self._watch_above = -1
        """inotify's descriptors: that of the folder, and that of the one that holds it, for as long as it is not there."""
        self._libc = _libc()
        self._descriptor = -1
        if self._libc is not None:
            self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor >= 0:
            self._poll = select.poll()
            self._poll.register(self._descriptor, select.POLLIN)

    def wait(self, *, news: bool = False, longest: float = LONGEST) -> None:
        """Return when something changed since the last call, after `longest` seconds at the latest.

        `news` says that the last look found something: without notices the next one is sooner then. The first call after
        the folder has appeared returns at once: what happened before it was watched has to be looked for.
        """
        if self._watch < 0 and self._begin():
            return
        if self._watch < 0 and self._watch_above < 0:
            self._pause = SHORTEST if news else min(LONGEST, self._pause * 1.5)
            time.sleep(min(self._pause, longest))
            return
        if self._poll.poll(longest * 1000):
            self._take()

    def close(self) -> None:
        """Watch no longer."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = self._watch = self._watch_above = -1

    def _begin(self) -> bool:
        """Watch the folder, and say whether it is there to be watched; until it is, watch for it to appear."""
        if self._descriptor < 0:
            return False
        self._watch = self._added(self._folder, _MASK)
        if self._watch < 0 and self._watch_above < 0:
            self._watch_above = self._added(os.path.dirname(self._folder), _APPEARING)  # noqa: PTH120  bytes
            self._watch = self._added(self._folder, _MASK)  # which may have appeared meanwhile
        if self._watch >= 0 and self._watch_above >= 0:
            self._libc.inotify_rm_watch(self._descriptor, self._watch_above)
            self._watch_above = -1
        return self._watch >= 0

    def _added(self, folder: bytes, mask: int) -> int:
        return int(self._libc.inotify_add_watch(self._descriptor, folder, mask))

    def _take(self) -> None:
        """Empty the queue. A folder that was moved or removed is watched anew when it is there again."""
        try:
            told = os.read(self._descriptor, 1 << 16)
        except BlockingIOError:
            return
        at = 0
        while at < len(told):
            watch, mask = (int.from_bytes(told[at + i : at + i + 4], sys.byteorder, signed=i == 0) for i in (0, 4))
            if watch == self._watch and mask & (_IGNORED | _MOVED):
                self._watch = -1
                if mask & _MOVED:
                    self._libc.inotify_rm_watch(self._descriptor, watch)
            elif watch == self._watch_above and mask & _IGNORED:
                self._watch_above = -1
            at += _HEAD + int.from_bytes(told[at + 12 : at + 16], sys.byteorder)


def _libc() -> Any:
    """The C library where it has inotify, else None."""
    if sys.platform != "linux":
        return None
    try:
        import ctypes  # slow to import, and only needed by those who wait

        libc = ctypes.CDLL(None, use_errno=True)
        return libc if hasattr(libc, "inotify_init1") else None
    except (ImportError, OSError):
        return None
