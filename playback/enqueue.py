"""Enqueue a job of the application by its import string, with JSON arguments only.

Only functions on the allow-list PROFILE_PLAYBACK_JOBS (comma-separated patterns, default `tasks.*`) are enqueued:
a profile comes from outside, and a job is code that runs in the application's worker.
"""

from __future__ import annotations

import fnmatch
from typing import Any

from assembler.profile import Step
from playback.errors import BadProfile, Unjudgeable
from playback.template import Scope, fill
from recorder.workers import listening

__all__ = ["Enqueuer"]


class Enqueuer:
    """Puts jobs on the application's own queues. `connection` is a redis-py client without response decoding."""

    def __init__(self, connection: Any, allowed: str = "tasks.*") -> None:
        self.connection = connection
        self.allowed = [pattern.strip() for pattern in allowed.split(",") if pattern.strip()]

    def queues(self) -> list[str]:
        """Names of the queues that living workers listen on."""
        return sorted(listening(self.connection))

    def enqueue(self, step: Step, scope: Scope) -> str:
        """Enqueue the step's job and return its id. Raises `BadProfile` for a function that is not allowed,
        `Unjudgeable` when no worker listens."""
        from rq import Queue

        function = step.job or ""
        if not any(fnmatch.fnmatchcase(function, pattern) for pattern in self.allowed):
            raise BadProfile(
                f"Step {step.id} would enqueue {function!r}, which PROFILE_PLAYBACK_JOBS does not allow "
                f"(allowed: {', '.join(self.allowed)})."
            )
        listening = self.queues()
        if not listening:
            raise Unjudgeable(
                f"Step {step.id} enqueues {function!r}, and no RQ worker listens. Start one: rq worker <queue>."
            )
        queue = step.queue or ("default" if "default" in listening or len(listening) > 1 else listening[0])
        payload = _filled(step.payload or {}, scope)
        args, kwargs = ((), payload) if isinstance(payload, dict) else (tuple(payload), {})
        job = Queue(queue, connection=self.connection).enqueue_call(function, args=args, kwargs=kwargs)
        return str(job.id)


def _filled(value: Any, scope: Scope) -> Any:
    if isinstance(value, str):
        return fill(value, scope)
    if isinstance(value, dict):
        return {key: _filled(inner, scope) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, scope) for inner in value]
    return value
