"""Whoever blocks in a request does not look at an event: when a replay is cancelled, somebody else cuts its connections."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

__all__ = ["on_cancel"]

LOOK = 0.1  # seconds between two looks at whether it was cancelled


@contextlib.contextmanager
def on_cancel(cancelled: threading.Event, act: Callable[[], None]) -> Iterator[None]:
    """Call `act` again and again, in a thread, once `cancelled` is set, until the block ends.

    Again, because a request that was about to be sent when it was cut off for the first time is sent all the same.
    """
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK):
            if cancelled.is_set():
                act()

    watcher = threading.Thread(target=watch, name="cancelling", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
