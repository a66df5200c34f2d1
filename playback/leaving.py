"""An answer that does not end by itself is left where the recorded client left it."""

from __future__ import annotations

import httpx

from assembler.profile import Leave, Step
from playback.connection import Enough
from playback.report import Mismatch, StepOutcome

__all__ = ["enough_of", "left_there"]

_SHORTEST, _TIMES = 2.0, 5.0
"""Seconds, and times the recorded time, that so many bytes may take at most."""


def enough_of(step: Step) -> Enough | None:
    """How much of the step's answer is read; None: all of it."""
    leave = step.leave
    if leave is None:
        return None
    return Enough(leave.bytes, max(_SHORTEST, _TIMES * leave.seconds) if leave.bytes else leave.seconds)


def left_there(leave: Leave, response: httpx.Response, outcome: StepOutcome) -> None:
    """Say that it was left. One of which nothing came, where something had, is another one."""
    if not response.extensions.get("left"):
        return
    size = len(response.content)
    outcome.note = f"the answer was left after {size} bytes, as its reader did"
    if leave.bytes and not size:
        outcome.mismatches.append(
            Mismatch("body", f"{leave.bytes} bytes and more", "nothing", "it was listened to in vain")
        )
