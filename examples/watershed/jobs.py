"""RQ job trees: a job names the jobs it enqueued in `meta["children"]`; the status of a tree is that of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import uuid4

from redis import Redis
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus

QUEUE = "wepp"
RESULT_TTL = 24 * 3600  # seconds

# The first of these that any job of the tree has is the status of the tree; without any of them it is finished.
PRECEDENCE = ("failed", "stopped", "canceled", "started", "queued", "deferred", "scheduled")


def enqueue(redis: Redis, function: str, runid: str, *, parent: Job | None = None, after: Iterable[Job] = ()) -> Job:
    """Enqueue `tasks.<function>(runid)`, to start when all jobs of `after` are finished.

    A parent knows the id before the job exists, so its tree never looks finished while a child is about to be enqueued.
    """
    job_id = str(uuid4())
    if parent is not None:
        parent.meta.setdefault("children", []).append(job_id)
        parent.save_meta()
    return Queue(QUEUE, connection=redis).enqueue(
        f"tasks.{function}",
        runid,
        job_id=job_id,
        depends_on=list(after) or None,
        result_ttl=RESULT_TTL,
        job_timeout=600,
    )


def tree_status(redis: Redis, job_id: str) -> dict[str, Any]:
    """Return `{id, runid, status, started_at, ended_at, jobs}` of the tree below a job; times are ISO 8601, UTC.

    `status` is `not_found` when there is no such job. `ended_at` is None until every job has ended. `jobs` are those of
    the tree, each as `{name, status}`, its root first.
    """
    tree = list(_tree(redis, job_id))
    if not tree:
        return {"id": job_id, "runid": None, "status": "not_found", "started_at": None, "ended_at": None, "jobs": []}
    statuses = {job.get_status(refresh=False) for job in tree}
    ends = [job.ended_at for job in tree if job.ended_at]
    root = tree[0]
    return {
        "id": job_id,
        "runid": runid_of(root),
        "status": next((status for status in PRECEDENCE if status in statuses), JobStatus.FINISHED.value),
        "started_at": root.started_at.isoformat() if root.started_at else None,
        "ended_at": max(ends).isoformat() if len(ends) == len(tree) else None,
        "jobs": [{"name": name_of(job), "status": job.get_status(refresh=False).value} for job in tree],
    }


def waiting_job(redis: Redis, function: str, runid: str) -> str | None:
    """Return the id of a job `tasks.<function>(runid)` that is queued or has just been taken by a worker.

    The places are read in the order a job moves through them, so none is missed on its way.
    """
    queue = Queue(QUEUE, connection=redis)
    for job_ids in (
        queue.get_job_ids,
        queue.intermediate_queue.get_job_ids,
        lambda: queue.started_job_registry.get_job_ids(cleanup=False),
    ):
        for job in Job.fetch_many(job_ids(), connection=redis):
            if job is not None and job.func_name == f"tasks.{function}" and runid_of(job) == runid:
                return job.id
    return None


def name_of(job: Job) -> str:
    """Return the name of a job's function in `tasks`."""
    return job.func_name.removeprefix("tasks.")


def runid_of(job: Job) -> str | None:
    """Return the run a job works on: its argument `runid`, by name or first in place."""
    return job.kwargs.get("runid") or next(iter(job.args), None)


def _tree(redis: Redis, job_id: str) -> Iterator[Job]:
    """Yield the job and all below it. Jobs that Redis has already forgotten are left out: they ended long ago."""
    try:
        job = Job.fetch(job_id, connection=redis)
    except NoSuchJobError:
        return
    yield job
    for child in job.meta.get("children", ()):
        yield from _tree(redis, child)
