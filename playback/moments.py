"""Two clocks: that of the recording, and the one on the wall. What both show moved by the same time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from assembler.shapes import Clock

__all__ = ["Moment"]

_DAY = 86_400.0


@dataclass(frozen=True)
class Moment:
    """When a step was answered, in the recording and now (seconds since 1970), and how long either has been going on."""

    recorded: float
    live: float
    slack: float = 120.0

    def fits(self, was: Clock, now: Clock) -> bool:
        """True when `now` moved from `was` as the clocks moved, or did not move at all."""
        if was.seconds == now.seconds:
            return True
        if was.resolution >= _DAY:
            return round((now.seconds - was.seconds) / _DAY) in self.steps(_DAY)
        slack = self.slack + max(was.resolution, now.resolution)
        drift = (now.seconds - was.seconds) - (self.live - self.recorded)
        if was.daily:
            drift = (drift + _DAY / 2) % _DAY - _DAY / 2
        return abs(drift) <= slack

    def steps(self, length: float) -> set[int]:
        """By how many days, or hours, of `length` seconds something that shows nothing shorter may have moved. One begins
        somewhere at every half hour, so it counts as begun only when one of those passed."""
        passed = (self.live - self.recorded) / length
        crossed = self.recorded // 1800 != self.live // 1800
        return {math.floor(passed), math.ceil(passed) if crossed else math.floor(passed)}
