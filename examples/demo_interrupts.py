"""Ctrl-C at any moment: it ends the demo, and never what starts a program or cleans up.

An exception out of a signal handler can strike anywhere. Where it must not, it is held back until the end of the block;
where somebody swallows it (a destructor, say), the next `check` raises it again.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

__all__ = ["Interrupts"]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """The first of SIGNALS raises KeyboardInterrupt; those that follow do nothing. For the main thread."""

    def __init__(self) -> None:
        self._asked = False
        self._held = 0

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """From the beginning of the block to its end."""
        before = {number: signal.signal(number, self._strike) for number in SIGNALS}
        try:
            yield
        finally:
            for number, earlier in before.items():
                signal.signal(number, earlier)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let the block come to its end first."""
        asked = self._asked
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        if self._asked and not asked:
            raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt if there was a signal."""
        if self._asked:
            raise KeyboardInterrupt

    def _strike(self, number: int, frame: FrameType | None) -> None:
        first, self._asked = not self._asked, True
        if first and not self._held:
            raise KeyboardInterrupt
