"""Wait for background jobs, whatever shows them: Redis, the target's recorder, or the application's own status address.

Each way blocks where it can and looks slowly where it must, for a job that is canceled, killed, deferred for ever or
kept without a result announces nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import httpx

from assembler.polling import FAILED_STATES
from playback.report import JobOutcome
from playback.target import Target
from recorder import jobs

__all__ = [
    "AppStatus",
    "JobSource",
    "RecorderJobs",
    "RedisJobs",
    "Waited",
    "failed_state",
    "limit_of",
    "outcome_of",
    "wait_for",
]

_LONG_POLL = 5.0
"""Seconds one look may block, so that a cancelled run is noticed."""


def limit_of(recorded: float | None, given: float | None) -> float:
    """How long to wait, in seconds: what the step says, else the larger of 30 s and 5 times the recorded time."""
    return given if given is not None else max(30.0, 5.0 * (recorded or 0.0))


class JobSource(Protocol):
    """A place where the state of a job tree can be seen."""

    name: str

    def look(self, job_id: str, seconds: float) -> jobs.Tree | None:
        """The tree after at most `seconds`, sooner when it is settled; None when this source does not know the job."""


class RedisJobs:
    """Job trees read from Redis itself: wakes within milliseconds of a result."""

    name = "redis"

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._watches: dict[str, jobs.Watch] = {}

    def look(self, job_id: str, seconds: float) -> jobs.Tree | None:
        watch = self._watches.setdefault(job_id, jobs.Watch(job_id, self.connection))
        tree = watch.look()
        if tree["status"] == "gone":
            return None
        return tree if jobs.is_settled(tree) else watch.wait(seconds)


class RecorderJobs:
    """Job trees as the target's recorder tells them, by long poll."""

    name = "recorder"

    def __init__(self, target: Target, http: httpx.Client, prefix: str, token: str | None) -> None:
        self.target, self.http, self.prefix = target, http, prefix
        self.headers = {"Host": target.host, **({"Authorization": f"Bearer {token}"} if token else {})}

    def look(self, job_id: str, seconds: float) -> jobs.Tree | None:
        answer = self.http.get(
            f"{self.target.connect_origin}{self.prefix}/jobs/{job_id}",
            params={"wait": f"{seconds:.3f}"},
            headers=self.headers,
            timeout=seconds + 10,
            extensions={"sni_hostname": self.target.tls_name},
        )
        if answer.status_code != 200 or "x-recorder" not in answer.headers:
            return None
        tree: jobs.Tree = answer.json()
        return None if tree.get("status") == "gone" else tree


class AppStatus:
    """The application's own status address, read adaptively: soon at first, then with growing pauses (at most 250 ms)."""

    name = "application"

    def __init__(self, ask: Callable[[str], httpx.Response], sleep: Callable[[float], None]) -> None:
        self.ask, self.sleep = ask, sleep

    def look(self, job_id: str, seconds: float) -> jobs.Tree | None:
        deadline = time.monotonic() + seconds
        pause = 0.02
        while True:
            answer = self.ask(job_id)
            if answer.status_code in (429, 503):
                pause = max(pause, _retry_after(answer))
            else:
                found = _app_tree(job_id, answer)
                if found is None or jobs.is_settled(found) or time.monotonic() >= deadline:
                    return found
            self.sleep(min(pause, max(0.0, deadline - time.monotonic()) or pause))
            pause = min(0.25, pause * 1.4)


def _retry_after(answer: httpx.Response) -> float:
    value = answer.headers.get("retry-after", "")
    return min(10.0, float(value)) if value.replace(".", "", 1).isdigit() else 1.0


def _app_tree(job_id: str, answer: httpx.Response) -> jobs.Tree | None:
    try:
        document = answer.json()
    except ValueError:
        return None
    if answer.status_code != 200 or not isinstance(document, Mapping) or not isinstance(document.get("status"), str):
        return None
    if document["status"] in ("not_found", "unknown"):
        return None
    return {
        "id": job_id, "status": document["status"].lower(), "function": None, "queue": None, "created_at": None, "enqueued_at": None,
        "started_at": document.get("started_at"), "ended_at": document.get("ended_at"), "exc_info": document.get("exc_info"),
        "abandoned": False, "children": [],
    }  # fmt: skip


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
    grace = began + min(2.0, limit)
    while True:
        left = limit - (time.monotonic() - began)
        for candidate in [source] if source else sources:
            try:
                found = candidate.look(job_id, max(0.0, min(left, _LONG_POLL)))
            except httpx.RequestError as error:
                return Waited(
                    tree, time.monotonic() - began, f"the state of job {job_id} cannot be read: {error}", candidate.name
                )
            if found is not None:
                tree, source = found, candidate
                break
        else:
            if source is not None or not sources or time.monotonic() >= grace:
                what = (
                    "vanished"
                    if source
                    else "is known to none of " + (", ".join(s.name for s in sources) or "no source")
                )
                return Waited(tree, time.monotonic() - began, f"job {job_id} {what}", source.name if source else None)
            time.sleep(0.05)
            continue
        if jobs.is_settled(tree):
            return Waited(tree, time.monotonic() - began, _verdict(tree), source.name if source else None, settled=True)
        if time.monotonic() - began >= limit:
            return Waited(
                tree, limit, f"{_verdict(tree) or 'not finished'} after {limit:g} s", source.name if source else None
            )
        if cancelled():
            return Waited(tree, time.monotonic() - began, "the run was cancelled", source.name if source else None)


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
