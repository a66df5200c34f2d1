"""What a replay would send, without sending it."""

from __future__ import annotations

from assembler.profile import Profile
from playback.report import StepOutcome
from playback.session import Session

__all__ = ["listing"]


def listing(profile: Profile, session: Session) -> list[StepOutcome]:
    """Each step with its path; what earlier answers would fill is left as the profile writes it."""
    del session
    return [
        StepOutcome(
            step.id, step.method, step.path or step.job or step.action, step.expect.status if step.expect else None
        )
        for step in [*profile.prologue, *profile.steps]
    ]
