"""Ctrl-C as a request: the first asks for a good end, the second ends at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["interruptible"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Yield an event that the first SIGINT or SIGTERM sets, and says so; the second ends the program as always."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, earlier in before.items():
            signal.signal(number, earlier)

    def first(number: int, frame: FrameType | None) -> None:
        stop.set()
        restore()
        os.write(2, b"Stopping; once more to stop at once.\n")  # print may be in the middle of a line here

    for number in SIGNALS:
        signal.signal(number, first)
    try:
        yield stop
    finally:
        restore()
