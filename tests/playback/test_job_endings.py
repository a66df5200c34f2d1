"""How a job may end, seen in three ways, with real workers: the verdict, the outcome's name, and the traceback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from rq.command import send_stop_job_command
from rq.registry import StartedJobRegistry

from playback.report import Report
from tests.playback.job_site import TOKEN, WAYS, JobSite, job_site, kill_horse_and
from tests.playback.site import profile
from tests.support import wait_until

DOCUMENT = """
metadata: {{slug: shop}}
steps:
  - id: start
    method: POST
    path: /start/{plan}
    expect: {{status: 200{jobs}}}
    extract: {{job_id: {{json: job_id}}}}
    wait: {{type: job, job: "{{{{ steps.start.job_id }}}}", timeout: {limit}}}
"""
DOOMED = ("abandoned", "swept")
LIMIT = {("never_started", way): 0.6 for way in WAYS} | {("too_long", way): 0.6 for way in WAYS}
LIMIT |= {("deferred_forever", "application"): 0.6, ("abandoned", "application"): 0.6}
SEEN = {
    "finished": ("finished", None),
    "failed": ("failed", "ValueError: the river is dry"),
    "stopped": ("stopped", "Job stopped by user"),
    "canceled": ("canceled", None),
    "abandoned": ("abandoned", "its worker was killed or lost"),
    "swept": ("abandoned", "AbandonedJobError"),
    "deferred_forever": ("deferred_forever", "nothing will release it"),
    "never_started": ("never_started", "no worker listens on nobodys; start one: rq worker nobodys"),
    "out_of_time": ("timed_out", "JobTimeoutException"),
    "too_long": ("timed_out", "last seen started"),
    "forgotten": ("gone", "never enqueued, or was deleted"),
}
BY_THE_APPLICATION = {
    "abandoned": ("timed_out", "last seen started"),
    "deferred_forever": ("deferred_forever", "last seen deferred"),
    "never_started": ("never_started", "last seen queued"),
}
"""The application tells the state alone: of a job that was started nobody knows whether it still runs."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobSite]:
    with job_site(tmp_path_factory.mktemp("jobs")) as site:
        yield site


def replayed(
    site: JobSite, folder: Path, plan: str, way: str, jobs: str = "", progress: Any = lambda e: None
) -> Report:
    text = DOCUMENT.format(plan=plan, jobs=jobs, limit=LIMIT.get((plan, way), 60))
    profile(folder, text, {})
    return site.replayed(folder, "shop", way, progress)


def act(site: JobSite, plan: str) -> Any:
    """What happens to the job while it is waited for."""

    def progress(event: dict[str, Any]) -> None:
        if event["event"] == "wait_started" and plan == "forgotten":
            wait_until(lambda: not site.redis.exists(f"rq:job:{event['job']}"), "the job is forgotten")
        if event["event"] == "wait_started" and plan == "too_long":
            wait_until(lambda: site.redis.llen("too_long:begun"), "the job has begun")
        if event["event"] != "wait_started" or plan not in ("stopped", *DOOMED):
            return
        _, horse = site.redis.blpop([f"{plan}:begun"], timeout=60)
        if plan == "stopped":
            send_stop_job_command(site.redis, event["job"])
        else:
            kill_horse_and(site.doomed, int(horse))
        if plan == "swept":  # what another worker does now and then
            StartedJobRegistry("doomed", site.redis).cleanup(timestamp=2**32)

    return progress


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("plan", SEEN)
def test_every_end_has_its_name(site: JobSite, tmp_path: Path, plan: str, way: str) -> None:
    site.redis.delete(f"{plan}:begun", f"{plan}:go")
    if plan in DOOMED:
        with site.worker("doomed") as site.doomed:
            report = replayed(site, tmp_path, plan, way, progress=act(site, plan))
    else:
        report = replayed(site, tmp_path, plan, way, progress=act(site, plan))
    site.redis.rpush(f"{plan}:go", "1")  # whoever still holds on lets go
    name, words = (BY_THE_APPLICATION if way == "application" else {}).get(plan, SEEN[plan])
    (step,) = report.steps
    (job,) = step.jobs
    assert (job.status, report.result) == (name, "passed" if plan == "finished" else "failed"), report.as_json()
    assert words is None or words in (job.error or "")
    if plan != "finished":
        (mismatch,) = step.mismatches
        assert words is None or words in (mismatch.message or "")
        assert step.wait_ms < 30_000


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_an_end_that_was_recorded_is_right(site: JobSite, tmp_path: Path, status: str, way: str) -> None:
    function = {"failed": "tests.apps.rq_tasks.fail", "canceled": "tests.apps.rq_tasks.add"}[status]
    report = replayed(site, tmp_path, status, way, f", jobs: {{{function}: {status}}}")
    assert report.result == "passed", report.as_json()
    assert report.steps[0].jobs[0].status == status


@pytest.mark.parametrize("way", WAYS)
def test_a_job_that_is_forgotten_at_once(site: JobSite, tmp_path: Path, way: str) -> None:
    """With `result_ttl=0` when recorded it is right; else nobody knows whether it was ever enqueued, unless it was seen."""
    jobs = ", jobs: {tests.apps.rq_tasks.add: finished}"
    known = replayed(
        site, tmp_path / "known", "forgotten", way, jobs + ", job_tree: {tests.apps.rq_tasks.add: {kept: false}}"
    )
    assert known.result == "passed", known.as_json()

    def gone(event: dict[str, Any]) -> None:
        if event["event"] == "wait_started":
            wait_until(lambda: not site.redis.exists(f"rq:job:{event['job']}"), "the job is forgotten")

    other = replayed(site, tmp_path / "other", "forgotten", way, jobs, gone)
    assert (other.result, other.steps[0].jobs[0].status) == ("failed", "gone")
    assert "never enqueued, or was deleted" in (other.steps[0].mismatches[0].message or "")


def test_the_recorder_tells_no_secrets(site: JobSite) -> None:
    with httpx.Client(base_url=site.url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        job = client.post("/start/secret").json()["job_id"]
        tree = client.get(f"/recorder/jobs/{job}?wait=25").json()
    assert (tree["status"], tree["result"]["user"]) == ("finished", "ada")
    assert tree["result"]["access_token"].startswith("secret-")
