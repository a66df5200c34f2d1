"""Two clocks: that of the recording, and the one on the wall. What both show moved by the same time."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from assembler.shapes import Clock

__all__ = ["Moment"]

_DAY = 86_400.0
_ZONES = range(-12 * 3600, 14 * 3600 + 1, 1800)
"""Seconds by which the clocks of the world differ from universal time (those a quarter of an hour off have few people)."""


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
            return round((now.seconds - was.seconds) / _DAY) in self._days(was)
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

    def _days(self, was: Clock) -> set[int]:
        """By how many days a date may have moved. Midnight is somewhere at every half hour: there it counts for the dates
        that were today's; for others it counts when it was midnight here, or by universal time."""
        here = time.localtime(self.live).tm_gmtoff
        today = (zone for zone in _ZONES if (self.recorded + zone) // _DAY == was.seconds // _DAY)
        passed = {int((self.live + zone) // _DAY - (self.recorded + zone) // _DAY) for zone in (0, here, *today)}
        return passed | {math.floor((self.live - self.recorded) / _DAY)}
