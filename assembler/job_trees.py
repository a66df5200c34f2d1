"""The background jobs that came of a request, as the step's `expect` tells them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from assembler.recording import Job

__all__ = ["OVER", "expected_jobs"]

OVER = ("finished", "failed", "stopped", "canceled")
"""How a job may have ended. Any other status says that it had not when the recording did."""
_LARGEST_RESULT = 4096
"""Characters of JSON; a longer result would bury the step."""


def expected_jobs(roots: Sequence[Job], *, heard: bool) -> dict[str, Any]:
    """`jobs`: name to final status of every job, and `job_tree`: what else is known of them. `heard`: some worker told what
    became of its jobs; else nothing is known of how these ended, nor of what they enqueued, and nothing is expected.

    A job's name is its function; repeats are numbered.
    """
    every = [job for root in roots for job in root.tree()]
    names: dict[str, str] = {}
    for job in every:
        name, count = job.function, 2
        while name in names.values():
            name, count = f"{job.function}#{count}", count + 1
        names[job.job_id] = name
    if not every or not heard:
        return {}
    parents = {child.job_id: names[job.job_id] for job in every for child in job.children}
    return {
        "jobs": {names[job.job_id]: job.status for job in every},
        "job_tree": {names[job.job_id]: _node(job, parents.get(job.job_id), names) for job in every},
    }


def _node(job: Job, parent: str | None, names: Mapping[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = {"queue": job.queue}
    if parent is not None:
        row["parent"] = parent
    if causes := [names[cause] for cause in job.depends_on if cause in names]:
        row["depends_on"] = causes
    if job.scheduled:
        row["scheduled"] = True
    if not job.kept:
        row["kept"] = False
    if job.successes > 1:
        row["runs"] = job.successes
    if len(job.executions) > 1:
        row["tries"] = len(job.executions)
    if job.status == "finished" and _is_told(job.result):
        row["result"] = job.result
    if job.status == "failed" and isinstance(job.error, Mapping):
        lines = str(job.error.get("message") or "").splitlines()
        row["exception"] = ": ".join(part for part in (str(job.error.get("type")), *lines[:1]) if part)[:500]
    if job.duration_ms is not None and job.status in OVER:
        row["took"] = round(job.duration_ms / 1000, 3)
    return row


def _is_told(result: Any) -> bool:
    # What has no form in JSON is recorded by its repr, which nobody can compare.
    unknown = isinstance(result, Mapping) and set(result) == {"repr", "type"}
    return result is not None and not unknown and len(json.dumps(result)) <= _LARGEST_RESULT
