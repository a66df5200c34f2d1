"""Before the first step: would the jobs of a profile be run at all? Asked of Redis, else of the target's recorder."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any

import httpx

from assembler.profile import Profile
from playback.errors import Unjudgeable
from playback.target import Target
from recorder.workers import is_scheduled, listening

__all__ = ["check_by_recorder", "check_by_redis"]

_QUEUE = "rq worker on queue "
_ASK = 10.0
"""Seconds for the recorder's answer."""


def check_by_redis(profile: Profile, connection: Any, shown: str) -> None:
    """Raise `Unjudgeable` when no living worker listens on a queue of the profile, or nothing moves what is scheduled there.

    `shown` names the Redis.
    """
    served = listening(connection)
    _check(profile, served, {queue for queue in _scheduled(profile) if is_scheduled(queue, connection)}, shown)


def check_by_recorder(
    profile: Profile, target: Target, http: httpx.Client, prefix: str, token: str | None
) -> str | None:
    """The same by the target's recorder. Returns a sentence when it cannot be told; None when all is well."""
    reason = "neither REDIS_URL nor RECORDER_TOKEN is set"
    if token:
        try:
            answer = http.get(
                f"{target.connect_origin}{prefix}/workers",
                headers={"Host": target.host, "Authorization": f"Bearer {token}"},
                timeout=_ASK,
                extensions={"sni_hostname": target.tls_name},
            )
            if answer.status_code == 200 and "x-recorder" in answer.headers:
                told = answer.json()
                _check(profile, set(told["queues"]), set(told["scheduled"]), target.internal_origin)
                return None
            reason = f"the target has no recorder that tells ({prefix}/workers answers {answer.status_code})"
        except (httpx.RequestError, ValueError, KeyError, TypeError) as error:
            reason = f"the recorder's answer cannot be read ({type(error).__name__})"
    queues = ", ".join(_queues(profile)) or "any queue"
    return f"Whether a worker listens on {queues} could not be checked before the first step: {reason}."


def _check(profile: Profile, served: Set[str], scheduled: Set[str], shown: str) -> None:
    wanted = _queues(profile)
    idle = [queue for queue in wanted if queue not in served]
    if idle or not (wanted or served):
        raise Unjudgeable(
            f"No RQ worker listens on {', '.join(idle) or 'any queue'} at {shown}; the profile's jobs would never run. "
            f"Start one: rq worker {' '.join(idle) or '<queue>'}."
        )
    late = [queue for queue in _scheduled(profile) if queue not in scheduled]
    if late:
        raise Unjudgeable(
            f"The profile enqueues jobs on {', '.join(late)} for a later time, and no scheduler serves that at {shown}; they "
            f"would never run. Start a worker with one: rq worker --with-scheduler {' '.join(late)}."
        )


def _queues(profile: Profile) -> list[str]:
    return [s.removeprefix(_QUEUE) for s in profile.prerequisites.services if s.startswith(_QUEUE)]


def _scheduled(profile: Profile) -> Iterator[str]:
    """The queues on which jobs were scheduled and ran, each once."""
    seen: set[str] = set()
    for step in [*profile.prologue, *profile.steps]:
        expect = step.expect
        for name, node in ((expect.job_tree if expect else None) or {}).items():
            ran = expect is not None and (expect.jobs or {}).get(name) != "scheduled"
            if node.scheduled and ran and node.queue and node.queue not in seen:
                seen.add(node.queue)
                yield node.queue
