"""Group commit: who waits until the disk has a record shares one `fdatasync` with all who wait at that moment.

In threads each one waits in `commit`. On an event loop nothing may wait: there records are noted in `awaited`, and
whoever sends the answer awaits `settle` before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

__all__ = ["Commits", "awaited", "settle"]

awaited: ContextVar[set[Commits] | None] = ContextVar("recorder.awaited", default=None)
"""What the request that is served on an event loop has to await; None where waiting is done at once."""


class Commits:
    """The records of one file: how many were written, and how many of them the disk has."""

    def __init__(self, flush: Callable[[], None]) -> None:
        """`flush` brings to the disk what was written before it is called; it raises nothing."""
        self._flush = flush
        self._lock = threading.Lock()
        self._written = 0
        self._durable = 0
        self._round: asyncio.Future[None] | None = None

    def wrote(self) -> None:
        """Count a record."""
        self._written += 1

    def wait(self) -> None:
        """Return when the disk has what was written; on an event loop leave a note in `awaited` instead."""
        waiting = awaited.get()
        if waiting is None:
            self.commit()
        else:
            waiting.add(self)

    def commit(self) -> None:
        """Return when the disk has what was written until now."""
        number = self._written
        with self._lock:  # while one flushes, the others come together here, and one flush is enough for all of them
            if self._durable < number:
                reached = self._written
                self._flush()
                self._durable = reached

    async def settle(self) -> None:
        """As `commit`, off the event loop."""
        import asyncio  # slow to import, and there already where this is awaited

        number, loop = self._written, asyncio.get_running_loop()
        while self._durable < number:
            if self._round is None or self._round.done() or self._round.get_loop() is not loop:
                self._round = loop.run_in_executor(None, self.commit)
            await asyncio.shield(self._round)


async def settle(waiting: set[Commits]) -> None:
    """Return when the disk has all that was noted."""
    while waiting:
        await waiting.pop().settle()
