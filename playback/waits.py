"""Wait for a background job tree, whichever source shows it, and say how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from assembler.polling import FAILED_STATES
from playback.job_sources import JobSource
from playback.report import JobOutcome
from recorder import jobs

__all__ = ["Waited", "failed_state", "limit_of", "outcome_of", "wait_for"]

_LONG_POLL = 1.0
"""Seconds one look may block, so that a cancelled run is noticed."""
_GRACE = 2.0
"""Seconds in which a job that was just enqueued must become visible."""


def limit_of(recorded: float | None, given: float | None) -> float:
    """How long to wait, in seconds: what the step says, else the larger of 30 s and 5 times the recorded time."""
    return given if given is not None else max(30.0, 5.0 * (recorded or 0.0))


@dataclass
class Waited:
    """How a wait for a job tree ended: its tree as last seen, seconds it took, and why it is not finished (None: it is)."""

    tree: jobs.Tree | None
    seconds: float
    problem: str | None
    source: str | None
    settled: bool = False


def wait_for(job_id: str, sources: list[JobSource], limit: float, cancelled: Callable[[], bool]) -> Waited:
    """Wait until the whole tree of `job_id` has ended, at most `limit` seconds, asking the first source that knows it."""
    began = time.monotonic()
    tree: jobs.Tree | None = None
    source: JobSource | None = None

    def ended(problem: str | None, *, settled: bool = False) -> Waited:
        return Waited(tree, time.monotonic() - began, problem, source.name if source else None, settled)

    while True:
        spent = time.monotonic() - began
        asked = [source] if source is not None else [s for s in sources if s.usable]
        found: jobs.Tree | None = None
        for candidate in asked:
            try:
                found = candidate.look(job_id, max(0.0, min(limit - spent, _LONG_POLL)))
            except httpx.RequestError as error:
                return ended(f"the state of job {job_id} cannot be read: {error}")
            if found is not None:
                tree, source = found, candidate
                break
        if found is None:
            if source is not None:
                return ended(f"job {job_id} vanished")
            usable = [s.name for s in sources if s.usable]
            if not usable or spent >= min(_GRACE, limit):
                return ended(
                    f"job {job_id} is known to none of: {', '.join(usable)}"
                    if usable
                    else "nothing here shows its jobs"
                )
            time.sleep(0.05)
        elif jobs.is_settled(found):
            return ended(_verdict(found), settled=True)
        elif time.monotonic() - began >= limit:
            return ended(f"{_verdict(found) or 'not finished'} after {limit:g} s")
        if cancelled():
            return ended("the run was cancelled")


def _verdict(tree: jobs.Tree) -> str | None:
    """Why a tree is not finished, naming the first job that is not."""
    for node in jobs.nodes(tree):
        status = node["status"]
        if status != "finished":
            name = node["function"] or node["id"]
            return f"{name} is {'abandoned' if node['abandoned'] else status}"
    return None


def outcome_of(tree: jobs.Tree) -> JobOutcome:
    """A tree as the report shows it."""
    status = "abandoned" if tree["abandoned"] else tree["status"]
    return JobOutcome(
        tree["id"],
        tree["function"],
        status,
        _duration(tree),
        tree["exc_info"],
        [outcome_of(child) for child in tree["children"]],
    )


def _duration(tree: jobs.Tree) -> float | None:
    try:
        began, ended = datetime.fromisoformat(tree["started_at"]), datetime.fromisoformat(tree["ended_at"])
        return round((ended - began).total_seconds() * 1000, 1)
    except (TypeError, ValueError):
        return None


def failed_state(value: Any) -> bool:
    """True for a status text that no waiting will mend."""
    return isinstance(value, str) and value.lower() in FAILED_STATES
