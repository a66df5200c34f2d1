"""Before the first step: are there workers? And asking over HTTP: a target that asks for quiet gets it."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Queue, Worker

from playback.engine import Options, replay
from playback.report import Report
from tests.playback.site import Answer, Site, profile

DOCUMENT = """
metadata: {slug: shop, rq_required: true}
prerequisites: {services: [redis, rq worker on queue rivers]}
steps:
  - id: start
    method: POST
    path: /start
    expect: {status: 200%s}
    extract: {job_id: {json: job_id}}
    wait: {type: job, job: "{{ steps.start.job_id }}", timeout: 60}
"""
STARTED, FINISHED = Answer({"status": "started"}), Answer({"status": "finished"})
JOB = "3f0c5a7e-0000-4000-8000-000000000001"
STATUS = f"/rq/api/jobstatus/{JOB}"


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    connection = Redis.from_url(redis_url)
    connection.flushdb()
    yield connection
    connection.flushdb()
    connection.close()


@pytest.fixture
def asked() -> list[float]:
    """When the application was asked for the job's status."""
    return []


@pytest.fixture
def site(asked: list[float]) -> Iterator[Site]:
    with Site({"/start": lambda sent: Answer({"job_id": JOB})}) as site:
        yield site


def answering(asked: list[float], *answers: Answer) -> Callable[[str], Answer]:
    """These answers one after the other, the last one for good."""
    following = itertools.chain(answers, itertools.repeat(answers[-1]))

    def route(sent: str) -> Answer:
        asked.append(time.monotonic())
        return next(following)

    return route


def replayed(site: Site, folder: Path, environ: dict[str, str], jobs: str = "") -> Report:
    profile(folder, DOCUMENT % jobs, {})
    return replay("shop", folder, Options(site.url), environ)


# ---------------------------------------------------------------------------------------------------- workers


def registered(redis: Redis, *, pid: int | None = None) -> Worker:
    """A worker as Redis knows it; `pid` stands for that of one which was killed."""
    worker = Worker(["rivers"], connection=redis, name="mill")
    worker.register_birth()
    if pid is not None:
        redis.hset(worker.key, "pid", pid)
        redis.client_setname("")
    return worker


def test_without_a_worker_nothing_is_judged(tmp_path: Path, site: Site, redis: Redis, redis_url: str) -> None:
    report = replayed(site, tmp_path, {"REDIS_URL": redis_url})
    assert report.result == "error"
    assert "No RQ worker listens on rivers" in (report.error or "")
    assert "Start one: rq worker rivers." in (report.error or "")
    assert {step.result for step in report.steps} <= {"skipped"}


def test_a_worker_that_was_killed_does_not_listen(tmp_path: Path, site: Site, redis: Redis, redis_url: str) -> None:
    """RQ counts it until its key expires, which takes minutes."""
    ended = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(ended, 0)
    registered(redis, pid=ended)
    assert "No RQ worker listens" in (replayed(site, tmp_path, {"REDIS_URL": redis_url}).error or "")


def test_a_worker_of_another_queue_is_none(tmp_path: Path, site: Site, redis: Redis, redis_url: str) -> None:
    Worker(["lakes"], connection=redis, name="mill").register_birth()
    assert "No RQ worker listens on rivers" in (replayed(site, tmp_path, {"REDIS_URL": redis_url}).error or "")


def test_a_worker_is_enough(tmp_path: Path, site: Site, redis: Redis, redis_url: str) -> None:
    registered(redis)
    job = Queue("rivers", connection=redis).enqueue("math.sqrt", 4, job_id=JOB)
    job.set_status("finished")
    assert replayed(site, tmp_path, {"REDIS_URL": redis_url}).result == "passed"


def test_what_is_enqueued_for_later_needs_a_scheduler(tmp_path: Path, site: Site, redis: Redis, redis_url: str) -> None:
    registered(redis)
    later = ", jobs: {math.sqrt: finished}, job_tree: {math.sqrt: {queue: rivers, scheduled: true}}"
    report = replayed(site, tmp_path, {"REDIS_URL": redis_url}, later)
    assert report.result == "error"
    assert "rq worker --with-scheduler rivers" in (report.error or "")


RECORDER = {"RECORDER_TOKEN": "token-1234567890"}
LATER = ", jobs: {math.sqrt: finished}, job_tree: {math.sqrt: {queue: rivers, scheduled: true}}"


def recorder_tells(site: Site, **told: Any) -> None:
    headers = {"x-recorder": "1"}
    site.routes["/recorder/status"] = lambda sent: Answer({"state": "idle", "environment": "test"}, headers=headers)
    site.routes["/recorder/workers"] = lambda sent: Answer(told, headers=headers)


@pytest.mark.parametrize(
    ("queues", "scheduled", "jobs", "sentence"),
    [
        ([], [], "", "No RQ worker listens on rivers"),
        (["lakes"], ["lakes"], "", "No RQ worker listens on rivers"),
        (["rivers"], [], LATER, "rq worker --with-scheduler rivers"),
    ],
)
def test_without_redis_the_recorder_tells_of_workers(
    tmp_path: Path, site: Site, queues: list[str], scheduled: list[str], jobs: str, sentence: str
) -> None:
    recorder_tells(site, queues=queues, scheduled=scheduled)
    report = replayed(site, tmp_path, RECORDER, jobs)
    assert report.result == "error"
    assert sentence in (report.error or "")
    assert {step.result for step in report.steps} <= {"skipped"}


@pytest.mark.parametrize(("scheduled", "jobs"), [([], ""), (["rivers"], LATER)])
def test_a_worker_that_the_recorder_tells_of_is_enough(
    tmp_path: Path, site: Site, asked: list[float], scheduled: list[str], jobs: str
) -> None:
    recorder_tells(site, queues=["lakes", "rivers"], scheduled=scheduled)
    site.routes[STATUS] = answering(asked, FINISHED)
    report = replayed(site, tmp_path, RECORDER, jobs)
    assert (report.result, report.notes) == ("passed", [])


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({}, "neither REDIS_URL nor RECORDER_TOKEN is set"),
        (RECORDER, "the target has no recorder that tells (/recorder/workers answers 404)"),
    ],
)
def test_where_nobody_tells_of_workers_the_report_says_so(
    tmp_path: Path, site: Site, asked: list[float], environ: dict[str, str], reason: str
) -> None:
    site.routes[STATUS] = answering(asked, FINISHED)
    report = replayed(site, tmp_path, environ)
    assert report.result == "passed"
    assert report.notes == [f"Whether a worker listens on rivers could not be checked before the first step: {reason}."]


# ---------------------------------------------------------------------------------------------------- over HTTP


@pytest.mark.parametrize("status", [429, 503])
def test_quiet_is_kept_as_asked_for(tmp_path: Path, site: Site, asked: list[float], status: int) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=1.9), usegmt=True)
    busy = [
        Answer("busy", "text/plain", status, {"retry-after": "0.5"}),
        Answer("", "text/plain", status, {"retry-after": later}),
    ]
    site.routes[STATUS] = answering(asked, STARTED, *busy[: 2 if status == 429 else 1], FINISHED)
    assert replayed(site, tmp_path, {}).result == "passed"
    assert asked[2] - asked[1] >= 0.5


def test_who_is_always_busy_is_not_asked_for_ever(tmp_path: Path, site: Site, asked: list[float]) -> None:
    site.routes[STATUS] = answering(asked, Answer("", "text/plain", 429, {"retry-after": "2"}))
    profile(tmp_path, (DOCUMENT % "").replace("timeout: 60", "timeout: 3"), {})
    report = replay("shop", tmp_path, Options(site.url), {})
    (mismatch,) = report.steps[0].mismatches
    assert report.result == "failed"
    assert "the answer is 429" in str(mismatch.actual)
    assert len(asked) <= 3


class OwnTime:
    """Stands where `time` does: passes with the pauses, which are noted."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.passed += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> OwnTime:
    """That of whoever asks for the job's status."""
    clock = OwnTime()
    monkeypatch.setattr("playback.job_sources.time", clock)
    return clock


def test_an_application_is_asked_soon_and_then_less_often(tmp_path: Path, site: Site, clock: OwnTime) -> None:
    """The pauses grow with the time that has passed."""
    site.routes[STATUS] = lambda sent: FINISHED if clock.passed > 3 else STARTED
    assert replayed(site, tmp_path, {}).result == "passed"
    assert clock.pauses[0] == pytest.approx(0.02)
    assert max(clock.pauses[-3:]) == pytest.approx(0.1)
    assert max(clock.pauses[:10]) < 0.05


def test_an_application_that_answers_slowly_has_as_long_a_rest(tmp_path: Path, site: Site, clock: OwnTime) -> None:
    def route(sent: str) -> Answer:
        clock.passed += 0.3
        return FINISHED if clock.passed > 3 else STARTED

    site.routes[STATUS] = route
    assert replayed(site, tmp_path, {}).result == "passed"
    assert max(clock.pauses) == pytest.approx(0.3)


@pytest.mark.parametrize("said", ["SUCCESS", "completed", "done", "finished"])
def test_other_words_for_finished(tmp_path: Path, site: Site, asked: list[float], said: str) -> None:
    site.routes[STATUS] = answering(asked, Answer({"status": "running"}), Answer({"status": said}))
    assert replayed(site, tmp_path, {}).result == "passed"


def test_other_words_for_failed_with_what_is_said_of_it(tmp_path: Path, site: Site, asked: list[float]) -> None:
    site.routes[STATUS] = answering(asked, Answer({"status": "FAILURE", "traceback": "ValueError: the river is dry"}))
    report = replayed(site, tmp_path, {})
    (mismatch,) = report.steps[0].mismatches
    assert (mismatch.where, report.steps[0].jobs[0].status) == ("jobs", "failed")
    assert mismatch.message == "ValueError: the river is dry"


def test_an_address_that_knows_nothing_of_jobs_is_asked_once(tmp_path: Path, site: Site, asked: list[float]) -> None:
    site.routes[STATUS] = answering(asked, Answer("<p>nothing here", "text/html", 404))
    report = replayed(site, tmp_path, {})
    assert (report.result, len(asked)) == ("passed", 1)
    assert any("nothing here shows its jobs" in note for note in report.notes)


def test_the_address_may_be_another(tmp_path: Path, site: Site, asked: list[float]) -> None:
    site.routes[f"/state/{JOB}.json"] = answering(asked, FINISHED)
    environ = {"PROFILE_PLAYBACK_JOBSTATUS": "/state/{job_id}.json"}
    assert (replayed(site, tmp_path, environ).result, len(asked)) == ("passed", 1)


def test_a_recorder_that_is_answering_at_once_is_not_hammered(tmp_path: Path, site: Site, asked: list[float]) -> None:
    """It does, once as many as it takes wait at a time."""
    open_: dict[str, Any] = {"id": JOB, "status": "started", "abandoned": False, "children": []}
    headers = {"x-recorder": "1"}
    answers = [Answer(open_, headers=headers)] * 8 + [Answer({**open_, "status": "finished"}, headers=headers)]
    site.routes[f"/recorder/jobs/{JOB}"] = answering(asked, *answers)
    site.routes["/recorder/status"] = lambda sent: Answer({"state": "idle", "environment": "test"}, headers=headers)
    assert replayed(site, tmp_path, {"RECORDER_TOKEN": "token-1234567890"}).result == "passed"
    assert all(later - earlier >= 0.02 for earlier, later in itertools.pairwise(asked))


def test_a_connection_that_drops_once_is_no_end(tmp_path: Path, site: Site, asked: list[float]) -> None:
    def drops(sent: str) -> Answer:
        asked.append(time.monotonic())
        if len(asked) == 2:
            raise ConnectionAbortedError
        return STARTED if len(asked) < 4 else FINISHED

    site.routes[STATUS] = drops
    assert replayed(site, tmp_path, {}).result == "passed"


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("queued", "never_started"),
        ("PENDING", "never_started"),
        ("deferred", "deferred_forever"),
        ("running", "timed_out"),
    ],
)
def test_what_the_application_said_last_names_a_wait_in_vain(
    tmp_path: Path, site: Site, asked: list[float], said: str, name: str
) -> None:
    site.routes[STATUS] = answering(asked, Answer({"status": said}))
    profile(tmp_path, (DOCUMENT % "").replace("timeout: 60", "timeout: 0.3"), {})
    (step,) = replay("shop", tmp_path, Options(site.url), {}).steps
    seen = {"PENDING": "queued", "running": "started"}.get(said, said)
    assert (step.result, step.jobs[0].status) == ("failed", name)
    assert f"last seen {seen}" in (step.mismatches[0].message or "")


def test_a_job_may_take_its_time_in_each_state(tmp_path: Path, site: Site, asked: list[float]) -> None:
    states = (Answer({"status": state}) for state in ("deferred", "scheduled", "queued", "started"))
    site.routes[STATUS] = answering(asked, *states, FINISHED)
    assert replayed(site, tmp_path, {}).result == "passed"
