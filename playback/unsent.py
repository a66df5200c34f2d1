"""Steps that were not sent: all of them in a dry run, those behind the failing one in any other."""

from __future__ import annotations

from collections.abc import Sequence

from assembler.profile import Step
from playback.report import StepOutcome

__all__ = ["listing"]


def listing(steps: Sequence[Step]) -> list[StepOutcome]:
    """Each step as `skipped`, with its path as the profile writes it: earlier answers would fill the places."""
    return [
        StepOutcome(
            step.id,
            "ENQUEUE" if step.action == "enqueue_rq" else step.method,
            (f"{step.path}?{step.query}" if step.query else step.path) or step.job or step.action,
            step.expect.status if step.expect else None,
        )
        for step in steps
    ]
