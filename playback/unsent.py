"""Steps that were not sent: all of them in a dry run, those behind the failing one in any other."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

from assembler.profile import Profile, Step
from playback.curl import curl
from playback.errors import BadProfile
from playback.report import StepOutcome
from playback.target import Target
from playback.template import Scope, Unknown, names_in
from playback.wire import compose

__all__ = ["listing", "preview"]


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


def preview(
    profile: Profile,
    steps: Sequence[Step],
    folder: Path,
    target: Target,
    known: dict[str, str],
    rewrite: dict[str, str],
) -> list[StepOutcome]:
    """The same, with what would be sent as a line of `curl`: method, address, headers, body. `known` are the values that
    a replay knows before its first step; what answers would give stands there as its place, secrets by their variables.
    """
    outcomes = listing(steps)
    for step, outcome in zip(steps, outcomes, strict=True):
        if step.action in ("http", "upload"):
            with contextlib.suppress(ValueError, BadProfile):
                outcome.curl = _line(profile, step, folder, target, known, rewrite)
    return outcomes


@dataclass
class _Places(Scope):
    """Knows nothing but what is known before the first step; of the rest it gives the place."""

    def get(self, name: str) -> str:
        try:
            return f"{{{{ {name} }}}}" if name.startswith("generated.") else super().get(name)
        except Unknown:
            return f"{{{{ {name} }}}}"


def _line(
    profile: Profile, step: Step, folder: Path, target: Target, known: dict[str, str], rewrite: dict[str, str]
) -> str:
    client = profile.metadata.clients.get(step.client)
    names = sorted(set(names_in(step.model_dump(by_alias=True, exclude={"expect", "extract"}))))
    secrets = {n.removeprefix("secrets."): f"{{{{ {n} }}}}" for n in names if n.startswith("secrets.")}
    scope = _Places(values={"origin": target.origin, **known}, secrets=secrets)
    request = compose(step, scope, folder, rewrite)
    line = curl(target, request, standing=client.headers if client else {}, secrets=secrets)
    for place in (f"{{{{ {name} }}}}" for name in names):
        for spelled in (quote(place, safe=""), quote_plus(place, safe=""), quote(place)):
            line = line.replace(spelled, place)
    return line
