"""Assembling as a job of a real worker: it waits for the capture, and tells curators how far it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from redis import Redis
from rq import Queue
from rq.job import Job

from tests.assembler.deployment import SLUG, Deployment, status_of
from tests.support import ROOT, clean_environ, wait_until

ENTRY = "assembler.rq_entry.assemble"


def told(job: Job) -> dict[str, Any]:
    job.refresh()
    return dict(job.meta.get("draft", {}))


def worker(redis_url: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "rq.cli", "worker", "--burst", "--url", redis_url]
    return subprocess.Popen(command, cwd=ROOT, env=clean_environ())


def test_a_job_waits_for_the_end_and_tells_the_state(tmp_path: Path, redis_url: str) -> None:
    site = Deployment(tmp_path)
    capture = site.start()
    site.send("GET", "/one")
    with Redis.from_url(redis_url) as connection:
        job = Queue(connection=connection).enqueue(ENTRY, str(site.root), SLUG, str(site.data_root))
        with worker(redis_url) as process:
            wait_until(lambda: told(job).get("state") == "assembling", "the job waits")
            site.send("GET", "/two")
            site.end(capture)
            assert process.wait(60) == 0
        record = told(job)
        assert job.return_value() == record
    assert (record["state"], record["slug"], record["steps"]) == ("ready", SLUG, 2)
    assert status_of(Path(record["directory"]))["state"] == "ready"


def test_what_keeps_a_draft_from_being_made_is_a_problem_of_the_record(tmp_path: Path, redis_url: str) -> None:
    (tmp_path / "nothing").mkdir()
    with Redis.from_url(redis_url) as connection:
        job = Queue(connection=connection).enqueue(ENTRY, str(tmp_path / "nothing"), SLUG, str(tmp_path))
        with worker(redis_url) as process:
            assert process.wait(60) == 0
        record = told(job)
        assert job.is_failed
    assert record["state"] == "failed"
    assert "holds no audit log" in record["problems"][0]
