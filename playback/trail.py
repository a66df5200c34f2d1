"""The last exchanges of a replay, up to its first failure: what somebody wants to see who asks how it came to that."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from assembler.profile import Step
from playback.wire import Request

__all__ = ["Exchange", "Trail"]

KEPT = 6  # exchanges, the failing step's among them
LARGEST = 1 << 20  # bytes of an answer that are kept


@dataclass(frozen=True)
class Exchange:
    """What one step sent and got. `content` is the beginning of the answer's body, which has `size` bytes."""

    step: str
    request: Request
    status: int | None
    headers: list[tuple[str, str]]
    content: bytes
    size: int
    expected: Path | None

    @classmethod
    def of(cls, step: Step, request: Request, answer: httpx.Response | None, expected: Path | None) -> Exchange:
        """The exchange of `step`, of a large answer its beginning; `expected` is the file with the recorded body."""
        if answer is None:
            return cls(step.id, request, None, [], b"", 0, expected)
        content = answer.content
        headers = answer.headers.multi_items()
        return cls(step.id, request, answer.status_code, headers, content[:LARGEST], len(content), expected)


@dataclass
class Trail:
    """Keeps the last exchanges while steps are replayed, and stops keeping with the first that failed."""

    exchanges: deque[Exchange] = field(default_factory=lambda: deque(maxlen=KEPT))
    _ended: bool = False

    def follow(self, exchange: Exchange) -> None:
        """One more."""
        if not self._ended:
            self.exchanges.append(exchange)

    def end(self) -> None:
        """A step failed: what comes later does not explain it."""
        self._ended = True
