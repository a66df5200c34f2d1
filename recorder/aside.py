"""Work on a large upload, done beside the request instead of within it.

Hashing and writing let go of the interpreter's lock, so they cost an upload next to nothing where there is a second
processor. Who has fed everything waits for the rest of it, which is little: nothing is answered before it is stored.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["Aside", "processors"]

PIECE = 512 << 10  # bytes that are handed over at a time
WAITING = 3  # pieces that may wait; who brings more waits for the disk, as without a thread


def processors() -> int:
    """How many this process may use. On a single one a thread would only cost."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Aside:
    """A thread that does with pieces of content, in their order, what is to be done with each."""

    def __init__(self, work: Callable[[bytes], None]) -> None:
        """Raises RuntimeError where no thread can be started."""
        self._work = work
        self._gathered: list[bytes] = []
        self._size = 0
        self._given: SimpleQueue[bytes | None] = SimpleQueue()
        self._room = threading.Semaphore(WAITING)
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="recorder-upload", daemon=True)
        self._thread.start()

    def take(self, content: bytes) -> None:
        """Take the next piece. Raises the OSError that an earlier one ended in."""
        if self._error is not None:
            raise self._error
        self._gathered.append(content)
        self._size += len(content)
        if self._size >= PIECE:
            self._hand_over()

    def finish(self) -> None:
        """Return when everything is done; nothing may follow. Raises the OSError that it ended in."""
        if self._thread.is_alive():
            self._hand_over()
            self._given.put(None)
            self._thread.join()
        if self._error is not None:
            raise self._error

    def _hand_over(self) -> None:
        content = b"".join(self._gathered)
        self._gathered.clear()
        self._size = 0
        self._room.acquire()
        self._given.put(content)

    def _run(self) -> None:
        while (content := self._given.get()) is not None:
            try:
                if self._error is None:
                    self._work(content)
            except OSError as error:
                self._error = error
            except Exception as error:  # nobody else would hear of it, and the rest would wait for ever
                self._error = OSError(f"{type(error).__name__}: {error}")
            finally:
                self._room.release()
