"""Assembling as a background job: `queue.enqueue("assembler.rq_entry.assemble", source, slug, data_root)`.

The job waits for the capture to end and makes its draft. What a curator wants to know stands in the job's `meta` under
`draft` while it runs, and is its result when it is done: `{state, slug, directory, steps, events, warnings, problems}`, the
state being `assembling`, `ready` or `failed`. The draft's own `status.json` says the same.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from rq import get_current_job

from assembler.following import follow_one
from assembler.profile import slug_problem
from assembler.writing import DraftStatus, draft_folder

__all__ = ["assemble"]


def assemble(source: str, slug: str, data_root: str) -> dict[str, Any]:
    """The draft of the newest capture called `slug`, when it has ended; `source` is a RECORDER_ROOT or a run directory.

    RQ's own time limit ends the waiting: give the job a `job_timeout` as long as somebody may record. Whatever keeps the
    draft from being made is raised, and told as a problem before.
    """
    if problem := slug_problem(slug):
        raise ValueError(f"{problem}.")
    directory = draft_folder(Path(data_root), slug)
    _tell(DraftStatus("assembling", directory))
    try:
        status = follow_one(Path(source), slug, Path(data_root), threading.Event())
    except Exception as error:
        _tell(DraftStatus("failed", directory, problems=(f"The draft could not be made: {error}",)))
        raise
    assert status is not None, "nobody stops the waiting"
    return _tell(status)


def _tell(status: DraftStatus) -> dict[str, Any]:
    """The status as a record, also in the meta of the job that runs this."""
    record = {
        "state": status.state, "slug": status.directory.name, "directory": str(status.directory), "steps": status.steps,
        "events": status.events, "warnings": list(status.warnings), "problems": list(status.problems),
    }  # fmt: skip
    job = get_current_job()
    if job is not None:
        job.meta["draft"] = record
        job.save_meta()  # type: ignore[no-untyped-call]
    return record
