"""Whoever blocks in a request does not look at an event: when a replay is cancelled, somebody else cuts its connections,
or whoever waits for the answer waits no longer."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import TypeVar

from playback.errors import Unjudgeable

__all__ = ["CANCELLED", "on_cancel", "unless_cancelled"]

CANCELLED = "The run was cancelled before its first step."
Found = TypeVar("Found")

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


def unless_cancelled(cancelled: threading.Event, ask: Callable[[], Found]) -> Found:
    """What `ask` returns or raises; it must change nothing. Raises `Unjudgeable` as soon as `cancelled` is set.

    A name that does not resolve or a Redis that is silent takes as long as it takes: the asking is then left to end alone.
    """
    future: Future[Found] = Future()

    def asking() -> None:
        try:
            future.set_result(ask())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=asking, name="asking", daemon=True).start()
    while not wait([future], LOOK).done:
        if cancelled.is_set():
            raise Unjudgeable(CANCELLED)
    return future.result()
