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
        self._round: _Round | None = None

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
            if self._round is None or self._round.over or self._round.loop is not loop:
                self._round = _Round(loop, self.commit)
            await self._round.end()


class _Round:
    """One commit, for all that come to wait for it in this turn of the event loop.

    To hand it to a thread costs more than a request does otherwise: so it begins when everybody who is ready has come.
    """

    over = False

    def __init__(self, loop: asyncio.AbstractEventLoop, commit: Callable[[], None]) -> None:
        self.loop = loop
        self._commit = commit
        self._waiting: list[asyncio.Future[None]] = []
        loop.call_soon(self._begin)

    async def end(self) -> None:
        """Return when it is done. Who is cancelled meanwhile leaves the others alone."""
        waiting = self.loop.create_future()
        self._waiting.append(waiting)
        await waiting

    def _begin(self) -> None:
        try:
            self.loop.run_in_executor(None, self._commit).add_done_callback(self._end)
        except RuntimeError:  # the loop's threads are gone: the server is about to stop
            self._commit()
            self._end()

    def _end(self, _: object = None) -> None:
        self.over = True
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)


async def settle(waiting: set[Commits]) -> None:
    """Return when the disk has all that was noted."""
    while waiting:
        await waiting.pop().settle()
