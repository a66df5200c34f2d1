"""Show a log and what comes to it, over rotations and restarts of the service that writes it.

The file is kept open: what was written to it just before it was renamed away is read from there, and only then the new
one from its beginning.
"""

from __future__ import annotations

import codecs
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO

__all__ = ["Tail"]

BLOCK = 1 << 16  # bytes


class Tail:
    """One reader of the log at `path`; `show` is called with text as it comes."""

    def __init__(self, path: Path, show: Callable[[str], None]) -> None:
        self.path = path
        self._show = show
        self._file: IO[bytes] | None = None
        # A character may be half written.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def last(self, lines: int) -> None:
        """Show the last lines there are."""
        if self._open():
            assert self._file is not None
            for line in deque(self._file, lines):
                self._show(self._decoder.decode(line))

    def more(self) -> None:
        """Show what came since."""
        if self._file is None and not self._open():
            return
        moved = self._is_another()  # looked at before the rest is read: nothing more comes to a file that was renamed
        self._rest()
        if moved:
            assert self._file is not None
            self._file.close()
            self._file = None
            self.more()

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()

    def _open(self) -> bool:
        try:
            self._file = self.path.open("rb")
        except FileNotFoundError:
            return False
        self._decoder.reset()
        return True

    def _rest(self) -> None:
        assert self._file is not None
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            self._file.seek(0)  # cut, and written from its beginning
        while block := self._file.read(BLOCK):
            self._show(self._decoder.decode(block))

    def _is_another(self) -> bool:
        """Whether the name now belongs to another file; while it belongs to none, the one that is open is the log."""
        assert self._file is not None
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        here = os.fstat(self._file.fileno())
        return (there.st_ino, there.st_dev) != (here.st_ino, here.st_dev)
