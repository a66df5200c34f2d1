"""Wait for a background job tree, whichever source shows it, and say how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from assembler.polling import FAILED_STATES
from playback.job_sources import UNSEEN, JobSource, Unreadable
from recorder import jobs

__all__ = ["Waited", "as_event", "ending", "failed_state", "limit_of", "ran", "reason", "wait_for"]

_LONG_POLL = 5.0
"""Seconds one look may block, so that a cancelled run is noticed."""
_GRACE = 2.0
"""Seconds in which a job that was just enqueued must become visible."""
_PATIENCE = 5.0
"""Seconds for which a source that was read before may be out of reach."""
_PAUSE = 0.05
OUT_OF_TIME = "rq.timeouts.JobTimeoutException"


def limit_of(recorded: float | None, given: float | None) -> float:
    """How long to wait, in seconds: what the step says, else the larger of 30 s and 5 times the recorded time."""
    return given if given is not None else max(30.0, 5.0 * (recorded or 0.0))


@dataclass
class Waited:
    """How a wait for a job tree ended: its tree as last seen (None: nothing here shows jobs), seconds it took, and why it
    did not come to its end (None: it did, well or badly)."""

    tree: jobs.Tree | None
    seconds: float
    problem: str | None = None
    source: str | None = None


def wait_for(
    job_id: str,
    sources: list[JobSource],
    limit: float,
    cancelled: Callable[[], bool],
    enough: Callable[[jobs.Tree], bool] = jobs.is_settled,
) -> Waited:
    """Wait until there is `enough` of the tree of `job_id`, at most `limit` seconds, asking the first source that knows it.

    A job that nobody knows, or no longer, has the status `gone`.
    """
    began = time.monotonic()
    tree: jobs.Tree | None = None
    source: JobSource | None = None
    unread: float | None = None

    def ended(problem: str | None = None) -> Waited:
        return Waited(tree, time.monotonic() - began, problem, source.name if source else None)

    while True:
        spent = time.monotonic() - began
        trouble: str | None = None
        found: jobs.Tree | None = None
        for candidate in [source] if source is not None else [s for s in sources if s.usable]:
            try:
                found = candidate.look(job_id, max(0.0, min(limit - spent, _LONG_POLL)))
            except Unreadable as error:
                trouble = str(error)
                continue
            if found is not None:
                source = candidate
                break
        spent = time.monotonic() - began
        if found is not None:
            tree, unread = found, None
            if enough(found):
                return ended()
            if spent >= limit:
                return ended(f"{_unfinished(found)} after {limit:g} s")
        elif trouble is not None:
            unread = unread if unread is not None else spent
            if spent >= limit or spent - unread >= _PATIENCE:
                tree = tree or jobs.absent(job_id)
                return ended(f"the state of job {job_id} cannot be read: {trouble}")
            time.sleep(_PAUSE)
        elif source is not None:
            tree = _forgotten(tree or jobs.absent(job_id))
            return ended()
        elif not any(s.usable for s in sources):
            return ended("nothing here shows its jobs")
        elif spent >= min(_GRACE, limit):
            tree = jobs.absent(job_id)
            return ended()
        else:
            time.sleep(_PAUSE)
        if cancelled():
            return ended("the run was cancelled")


def _forgotten(tree: jobs.Tree) -> jobs.Tree:
    """A tree whose root is no longer known: RQ forgets at once what has succeeded with `result_ttl=0`."""
    if tree["status"] in jobs.TERMINAL:
        return tree
    return tree | {"status": "gone" if tree["kept"] else "finished"}


def _unfinished(tree: jobs.Tree) -> str:
    """The first job of a tree that has not ended, and its state."""
    node = next((n for n in jobs.nodes(tree) if n["status"] not in jobs.TERMINAL and not n["abandoned"]), tree)
    return f"{node['function'] or node['id']} is {node['status']}"


def ending(node: jobs.Tree, *, expired: bool = False) -> str:
    """How a job ended, in one word: RQ's own, or `abandoned` (its worker was killed), `deferred_forever` (what it waits
    for will never be), `timed_out` (its own limit, or with `expired` ours), `never_started` (no worker took it), `gone`.

    Of a job `unseen` but for its state, that state is all there is to go by: one that still waited then never came on."""
    status = str(node["status"])
    if node["abandoned"]:
        return "deferred_forever" if status == "deferred" else "abandoned"
    if status == "failed" and OUT_OF_TIME in (node["exc_info"] or ""):
        return "timed_out"
    if expired and status == "deferred" and node["lacks"] == UNSEEN:
        return "deferred_forever"
    if expired and status not in jobs.TERMINAL:
        return "never_started" if status in ("queued", "scheduled") and node["lacks"] else "timed_out"
    return status


def reason(node: jobs.Tree, *, expired: bool = False) -> str | None:
    """What a person has to know of a job that did not end well: its traceback, else a sentence."""
    if node["exc_info"]:
        return str(node["exc_info"])
    queue = node["queue"] or "its queue"
    match ending(node, expired=expired):
        case "abandoned":
            return "its worker was killed or lost while it ran"
        case "deferred_forever" | "never_started" if node["lacks"] == UNSEEN:
            return f"last seen {node['status']}; why can be seen from Redis or by the recorder: set REDIS_URL or RECORDER_TOKEN"
        case "deferred_forever":
            return "a job that it depends on failed, was stopped or cancelled, or is gone: nothing will release it"
        case "never_started" if node["lacks"] == "scheduler":
            return f"nothing moves what is scheduled on {queue}; start a worker with a scheduler: rq worker --with-scheduler {queue}"
        case "never_started":
            return f"no worker listens on {queue}; start one: rq worker {queue}"
        case "timed_out":
            return f"last seen {node['status']}"
        case "gone":
            return "nobody knows this job: it was never enqueued, or was deleted"
    return None


def ran(node: jobs.Tree) -> float | None:
    """Milliseconds from a job's start to its end."""
    try:
        began, ended = datetime.fromisoformat(node["started_at"]), datetime.fromisoformat(node["ended_at"])
        return round((ended - began).total_seconds() * 1000, 1)
    except (TypeError, ValueError):
        return None


def as_event(node: jobs.Tree) -> dict[str, Any]:
    """A tree as those who follow a replay are told it: names and states, nothing that a job was given or gave back."""
    return {
        "id": node["id"], "function": node["function"], "queue": node["queue"], "status": node["status"],
        "duration_ms": ran(node), "children": [as_event(child) for child in node["children"]],
    }  # fmt: skip


def failed_state(value: Any) -> bool:
    """True for a status text that no waiting will mend."""
    return isinstance(value, str) and value.lower() in FAILED_STATES
