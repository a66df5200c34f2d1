"""Which logs have something new: by the operating system's notices, and by a look at all of them now and then.

Notices are missed on network file systems, and between two sets of folders; nobody depends on them alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Set
from pathlib import Path
from types import TracebackType

from watchfiles import Change, watch

__all__ = ["News"]

_EVERYTHING = 1.0
"""Seconds between two looks at all logs."""
_GROUPED, _STEP = 10, 5
"""Milliseconds that a notice may wait for others, and between two looks for more of them; the defaults (1,600 and 50) cost
75 ms a notice."""
_SILENCE = 250
"""Milliseconds after which waiting ends without a notice."""


class News:
    """Notices of changes in folders (not below them), until `stop` is set."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._asked: Set[Path] = frozenset()
        self._folders: Set[Path] = frozenset()
        """Those of them that are there, and watched."""
        self._notices: Generator[set[tuple[Change, str]], None, None] | None = None
        self._looked = 0.0
        self._lively: set[Path] | None = None

    def __enter__(self) -> News:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._notices is not None:
            self._notices.close()

    def wait(self, folders: Set[Path], *, busy: bool = False) -> set[Path] | None:
        """The folders in which something changed since the last call, waiting for it a moment; None for all of them.

        `busy` does not wait: it gives the folders again in which something changed the last time.
        """
        if folders != self._asked or time.monotonic() - self._looked >= _EVERYTHING:
            self._asked, self._looked = frozenset(folders), time.monotonic()
            there = frozenset(folder for folder in folders if folder.is_dir())
            if there != self._folders:
                self._folders = there
                if self._notices is not None:
                    self._notices.close()
                self._notices = self._watching()
            self._lively = None
            return None
        if busy:
            return self._lively
        if self._notices is None:
            self._stop.wait(_STEP / 1000)
            return None
        changes = next(self._notices, None)
        if changes is None:
            return None
        found = {Path(path).parent for _, path in changes}
        self._lively = found or self._lively
        return found

    def _watching(self) -> Generator[set[tuple[Change, str]], None, None] | None:
        if not self._folders:
            return None
        return watch(
            *self._folders, watch_filter=None, debounce=_GROUPED, step=_STEP, stop_event=self._stop,
            rust_timeout=_SILENCE, yield_on_timeout=True, recursive=False, raise_interrupt=False,
        )  # fmt: skip
