"""Correlation that keeps up with a recording while it is made, so that little is left to be worked out when it ends.

What was worked out early counts only where the whole recording agrees with it: the same exchanges, in the same order, with
the same words bound. Otherwise it is worked out anew, so that a draft never depends on when it was looked at.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from assembler.correlation import Correlation
from assembler.recording import Bodies, Exchange, Recording, answered, asked

__all__ = ["Growing", "correlated"]

_BEHIND = 32
"""Requests that the newest one is ahead of what is worked out: another process may still write what came before."""
_PATIENCE = 256
"""Requests after which one that is still unanswered is taken for one that never will be, such as a stream of events."""
_told = attrgetter(
    "operation_id", "captured", "path", "query", "headers", "status", "response_headers", "request_body", "body"
)


def correlated(recording: Recording, growing: Growing | None = None) -> Correlation:
    """The correlation of a whole recording, begun by `growing` as far as that agrees with it."""
    bound = {e.origin: "origin" for e in recording.exchanges if e.origin}
    if recording.runs:
        bound[next(iter(recording.runs))] = "run_id"
    correlation = growing.correlation if growing is not None else None
    if correlation is None or not _agrees(correlation, recording, bound):
        correlation = Correlation(recording.bodies, bound)
    known = len(correlation.exchanges)
    correlation.exchanges[:] = recording.exchanges[:known]  # these have their jobs
    for exchange in recording.exchanges[known:]:
        correlation.add(exchange)
    return correlation


def _agrees(correlation: Correlation, recording: Recording, bound: Mapping[str, str]) -> bool:
    known = correlation.exchanges
    return (
        correlation.bound == bound
        and len(known) <= len(recording.exchanges)
        and all(_told(one) == _told(other) for one, other in zip(known, recording.exchanges, strict=False))
    )


class Growing:
    """One capture, as far as it is known."""

    def __init__(self, capture_id: str, bodies: Bodies) -> None:
        self.capture_id = capture_id
        self._bodies = bodies
        self._waiting: list[tuple[int, int, str]] = []
        """Requests that were not taken in yet, as a heap by the moment they began."""
        self._asked: dict[str, Mapping[str, Any]] = {}
        self._answered: dict[str, Mapping[str, Any]] = {}
        self._ready: deque[Exchange] = deque()
        self._bound: dict[str, str] = {}
        self._boots: set[str] = set()
        self.correlation: Correlation | None = Correlation(bodies, {})

    def take(self, event: Mapping[str, Any]) -> None:
        """Hear of a request or an answer; in any order, some time before it is worked out."""
        if event["category"] != "http_request" or self.correlation is None:
            return
        operation = event["operation_id"]
        if event["stage"] == "started":
            self._boots.add(event["boot_id"])
            if len(self._boots) > 1:
                self.correlation = None  # there is no order yet
            if self._asked.setdefault(operation, event) is event:
                heapq.heappush(self._waiting, (event["mono_ns"], event["sequence"], operation))
        else:
            self._answered.setdefault(operation, event)

    def work(self, until: float) -> bool:
        """Work out what is known, until `until` (as `time.monotonic` has it). Returns whether something is left."""
        while self.correlation is not None:
            if self._ready:
                self._add(self._ready.popleft())
            elif not self._next():
                return False
            if time.monotonic() >= until:
                return True
        return False

    def _next(self) -> bool:
        """Move the oldest request to those that are ready. False when it has to wait."""
        if len(self._waiting) <= _BEHIND:
            return False
        operation = self._waiting[0][2]
        answer = self._answered.pop(operation, None)
        if answer is None and len(self._waiting) <= _PATIENCE:
            return False
        heapq.heappop(self._waiting)
        exchange = asked(self._asked.pop(operation), self.capture_id)
        if answer is not None:
            answered(exchange, answer, self._bodies)
            if not exchange.left_out:
                self._ready.append(exchange)
        return True

    def _add(self, exchange: Exchange) -> None:
        assert self.correlation is not None
        bound = dict(self._bound)
        if exchange.origin:
            bound.setdefault(exchange.origin, "origin")
        if exchange.captured and exchange.run_id and "run_id" not in bound.values():
            bound[exchange.run_id] = "run_id"
        if bound != self._bound:
            # What was worked out before did not know it. This happens in the first steps of a capture, if at all later.
            self._bound = bound
            self._ready.extendleft(reversed([*self.correlation.exchanges, exchange]))
            self.correlation = Correlation(self._bodies, bound)
            return
        exchange.index = len(self.correlation.exchanges)
        self.correlation.add(exchange)
