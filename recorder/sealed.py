"""The writer of a sealed log: each record is tied to the one before it, so none may come between in the middle of one."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from recorder.events import Event
from recorder.log import Writer

__all__ = ["SealedWriter"]


class _Turn(threading.local):
    """What this thread writes at the moment, and what is to follow."""

    def __init__(self) -> None:
        self.writing = False
        self.following: deque[Event] = deque()


class SealedWriter(Writer):
    """A writer that keeps what a signal's receiver records in the middle of a record until that is written.

    `append` then returns True for what is written a moment later, before the interrupted one returns.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._turn = _Turn()

    def append(self, event: Event) -> bool:
        """Write the event, numbered; return whether all of it is in the log."""
        turn = self._turn
        if turn.writing:
            turn.following.append(event)
            return True
        turn.writing = True
        try:
            return super().append(event)
        finally:  # the receiver may have raised, too
            self._catch_up(turn)

    def _catch_up(self, turn: _Turn) -> None:
        """Write what was recorded meanwhile, in its order; more may come while that is done."""
        try:
            while turn.following:
                super().append(turn.following.popleft())
        finally:
            turn.writing = False
        if turn.following:
            turn.writing = True
            self._catch_up(turn)
