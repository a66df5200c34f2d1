"""Somebody who follows a deployment in a thread of the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from assembler import DraftStatus
from assembler.following import follow
from tests.support import PATIENCE

__all__ = ["following"]


class _Stop(threading.Event):
    """Whoever asks it for the first time has begun: captures that end from then on are theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.set()
        return super().wait(timeout)


@contextmanager
def following(
    root: Path, data_root: Path, tell: Callable[[DraftStatus], None] = lambda status: None
) -> Iterator[threading.Event]:
    """Somebody follows what is recorded below `root`, from the beginning of the block to its end. Yields what ends it."""
    stop = _Stop()
    thread = threading.Thread(target=follow, args=(root, data_root, stop, tell), daemon=True)
    thread.start()
    assert stop.asked.wait(PATIENCE)
    try:
        yield stop
    finally:
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()
