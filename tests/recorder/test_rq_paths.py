"""More ways into Redis and out of it: groups, cron, callbacks, retries with an interval, other workers, cut connections."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import rq.queue
from rq import Callback, Queue, Retry
from rq.command import send_stop_job_command
from rq.cron import CronScheduler
from rq.group import Group
from rq.job import Job
from rq.registry import FailedJobRegistry, ScheduledJobRegistry
from rq.scheduler import RQScheduler

import recorder.rq  # noqa: F401 - wraps RQ
from recorder.core import Recorder
from scripts.soak_redis import Proxy, soak
from tests.apps.rq_tasks import add, die, fail, go_on, hold, nest, work
from tests.recorder.watching import events
from tests.support import ROOT, clean_environ, wait_until


def told(recording: Recorder) -> list[str]:
    """What became of jobs, in the order of the log."""
    found = events(recording.root_logs)
    return [
        str(event["stage"] or event["payload"]["status"])
        for event in found
        if event["category"] in ("rq_enqueue", "rq_job")
    ]


def test_a_group(queue: Queue, recording: Recorder) -> None:
    group = Group.create(connection=queue.connection)
    jobs = group.enqueue_many(queue, [Queue.prepare_data(add, (1, 2)), Queue.prepare_data(add, (3, 4))])
    found = events(recording.root_logs, "rq_enqueue")
    assert [event["payload"]["job_id"] for event in found] == [job.id for job in jobs]
    work(queue)
    assert told(recording) == ["queued", "queued", *["started", "finished"] * 2]


def test_dependents_on_another_queue(queue: Queue, recording: Recorder) -> None:
    other = Queue("other", connection=queue.connection)
    first, second = queue.enqueue(add, 1, 2), queue.enqueue(add, 3, 4)
    last = other.enqueue(add, 5, 6, depends_on=[first, second])
    work(queue)
    work(other)
    assert told(recording) == ["queued", "queued", "deferred", *["started", "finished"] * 3]
    deferred, ends = events(recording.root_logs, "rq_enqueue")[-1], events(recording.root_logs, "rq_job")
    assert (deferred["payload"]["queue"], deferred["payload"]["depends_on"]) == ("other", [first.id, second.id])
    assert ends[-1]["parent_id"] == deferred["operation_id"]
    assert ends[-1]["payload"]["job_id"] == last.id


def test_a_retry_after_an_interval(queue: Queue, recording: Recorder) -> None:
    queue.enqueue(fail, retry=Retry(max=1, interval=1))
    work(queue)
    assert told(recording) == ["queued", "started", "retried"]
    registry = ScheduledJobRegistry(queue=queue)
    wait_until(lambda: registry.get_jobs_to_schedule(int(datetime.now(UTC).timestamp())), "the retry is due")
    scheduler = RQScheduler([queue], connection=queue.connection)
    scheduler.acquire_locks()
    scheduler.enqueue_scheduled_jobs()
    scheduler.release_locks()
    work(queue)
    assert told(recording) == ["queued", "started", "retried", "started", "failed"]


@pytest.mark.parametrize("function", [add, fail])
def test_a_callback_enqueues_for_its_job(queue: Queue, recording: Recorder, function: Callable[..., object]) -> None:
    arguments = (1, 2) if function is add else ()
    queue.enqueue(function, args=arguments, on_success=Callback(go_on), on_failure=Callback(go_on))
    work(queue)
    nested = events(recording.root_logs, "rq_enqueue")[-1]
    assert nested["payload"]["queue"] == "after"
    assert nested["parent_id"] == events(recording.root_logs, "rq_job")[0]["operation_id"]
    assert nested["payload"]["args"] == [3, 4]


def test_cron(queue: Queue, recording: Recorder) -> None:
    cron = CronScheduler(connection=queue.connection)
    cron.register(add, "default", args=(1, 2), interval=60)
    cron.enqueue_jobs()
    work(queue)
    assert told(recording) == ["queued", "started", "finished"]
    (enqueue,) = events(recording.root_logs, "rq_enqueue")
    assert (enqueue["payload"]["function"], enqueue["parent_id"]) == ("tests.apps.rq_tasks.add", None)


def test_jobs_that_are_due_later_are_told_once(queue: Queue, recording: Recorder) -> None:
    """Scheduled, moved by RQ's scheduler, performed: the move is RQ's own and no enqueue."""
    queue.enqueue_at(datetime.now(UTC) - timedelta(seconds=1), add, 1, 2)
    queue.enqueue_in(timedelta(seconds=-1), add, 3, 4)
    scheduler = RQScheduler([queue], connection=queue.connection)
    scheduler.acquire_locks()
    scheduler.enqueue_scheduled_jobs()
    scheduler.release_locks()
    work(queue)
    assert told(recording) == ["scheduled", "scheduled", *["started", "finished"] * 2]


def test_a_job_put_back_by_an_operator(queue: Queue, recording: Recorder) -> None:
    """`rq requeue` runs outside of any request: another execution of what was enqueued before."""
    job = queue.enqueue(fail)
    work(queue)
    FailedJobRegistry(queue=queue).requeue(job.id)
    work(queue)
    assert told(recording) == ["queued", *["started", "failed"] * 2]


# Other workers


def by_port(redis_url: str) -> str:
    """The tests' Redis, which listens on a socket file, at a port: RQ's SpawnWorker knows no other."""
    return f"redis://127.0.0.1:{Proxy(redis_url).port}/0"


def run(*command: str, redis_url: str, **environment: str) -> str:
    env = {**clean_environ(), "PYTHONPATH": str(ROOT), "REDIS_URL": redis_url, "RQ_REDIS_URL": redis_url, **environment}
    ran = subprocess.run([sys.executable, *command], env=env, cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "rq.cli", "worker", "--burst", "-c", "recorder.rq"),
        ("-m", "rq.cli", "worker", "--burst", "-c", "recorder.rq", "-w", "rq.worker.SimpleWorker"),
        ("-m", "rq.cli", "worker", "--burst", "-c", "recorder.rq", "-w", "rq.worker.SpawnWorker"),
        ("-m", "rq.cli", "worker-pool", "--burst", "-n", "2", "-c", "recorder.rq"),
    ],
    ids=["worker", "SimpleWorker", "SpawnWorker", "worker-pool"],
)
def test_every_worker_tells_the_same(
    command: tuple[str, ...], queue: Queue, recording: Recorder, redis_url: str
) -> None:
    outer, broken = queue.enqueue(nest, 1), queue.enqueue(fail)
    run(*command, redis_url=by_port(redis_url))
    by_job: dict[str, list[dict[str, object]]] = {}
    for event in events(recording.root_logs, "rq_job"):
        by_job.setdefault(event["payload"]["job_id"], []).append(event)
    enqueued = {event["payload"]["job_id"]: event for event in events(recording.root_logs, "rq_enqueue")}
    (inner,) = enqueued.keys() - {outer.id, broken.id}
    assert enqueued[inner]["parent_id"] == by_job[outer.id][0]["operation_id"]
    ends = {outer.id: "finished", inner: "finished", broken.id: "failed"}
    for job, end in ends.items():
        assert [event["stage"] for event in by_job[job]] == ["started", end]
        assert {event["operation_id"] for event in by_job[job]} == {by_job[job][0]["operation_id"]}
        assert {event["parent_id"] for event in by_job[job]} == {enqueued[job]["operation_id"]}
    error = events(recording.root_logs, "rq_job")
    (failed,) = [event["payload"] for event in error if event["stage"] == "failed"]
    assert failed["error"]["message"] == "the river is dry"
    assert "in fail" in failed["error"]["traceback"]
    assert failed["duration_ms"] > 0


def test_a_spawned_work_horse_that_dies_or_is_stopped(queue: Queue, recording: Recorder, redis_url: str) -> None:
    killed, held = queue.enqueue(die), queue.enqueue(hold, "test:spawned")
    command = [sys.executable, "-m", "rq.cli", "worker", "--burst", "-c", "recorder.rq", "-w", "rq.worker.SpawnWorker"]
    env = {**clean_environ(), "PYTHONPATH": str(ROOT), "REDIS_URL": by_port(redis_url)}
    worker = subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: queue.connection.llen("test:spawned:begun"), "the job has begun", 60)
    send_stop_job_command(queue.connection, held.id)
    assert worker.wait(60) == 0
    found = events(recording.root_logs, "rq_job")
    for job, end in ((killed, "failed"), (held, "stopped")):
        first, last = [event for event in found if event["payload"]["job_id"] == job.id]
        assert (first["stage"], last["stage"]) == ("started", end)
        assert first["operation_id"] == last["operation_id"]
        assert first["writer"] != last["writer"]


def test_the_worker_command_of_django_rq(queue: Queue, recording: Recorder, redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "site_settings.py").write_text(
        "SECRET_KEY = 'only here'\n"
        "INSTALLED_APPS = ['django.contrib.contenttypes', 'django.contrib.auth', 'django_rq', 'recorder.django']\n"
        f"RQ_QUEUES = {{'default': {{'URL': {redis_url!r}}}}}\n"
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}\n"
    )
    enqueue = "import django, django_rq; django.setup(); django_rq.enqueue('tests.apps.rq_tasks.nest', 1)"
    root = {"RECORDER_ROOT": str(recording.settings.root), "DJANGO_SETTINGS_MODULE": "site_settings"}
    path = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    run("-c", enqueue, redis_url=redis_url, **root, **path)
    run("-m", "django", "rqworker", "default", "--burst", redis_url=redis_url, **root, **path)
    assert told(recording) == ["queued", "started", "queued", "finished", "started", "finished"]
    outer, inner = events(recording.root_logs, "rq_enqueue")
    assert inner["parent_id"] == events(recording.root_logs, "rq_job")[0]["operation_id"]
    assert Job.fetch(outer["payload"]["job_id"], connection=queue.connection).get_status() == "finished"


def test_a_unique_job_that_a_repeated_attempt_finds_is_told(
    queue: Queue, recording: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client of Redis tries again after a cut; then the first attempt's own job stands in the way of the second."""
    save = rq.queue.save_unique_job

    def twice(*arguments: Any, **more: Any) -> None:
        save(*arguments, **more)
        save(*arguments, **more)

    monkeypatch.setattr(rq.queue, "save_unique_job", twice)
    with pytest.raises(Exception, match="already exists"):
        queue.enqueue(add, 1, 2, job_id="one", unique=True)
    monkeypatch.undo()
    with pytest.raises(Exception, match="already exists"):
        queue.enqueue(add, 1, 2, job_id="one", unique=True)  # this one is somebody else's
    (doubt,) = [e["payload"] for e in events(recording.root_logs) if e["payload"].get("kind") == "lost"]
    assert (doubt["count"], "job one" in doubt["reason"]) == (1, True)


def test_a_connection_that_is_cut_leaves_no_job_untold(recording: Recorder, redis_url: str) -> None:
    """A share of what `scripts/soak_redis.py` does."""
    counts, wrong = soak(redis_url, recording.settings.root, 60, seed=1)
    assert wrong == []
    assert counts["cuts"] >= 60
    assert counts["doubts told"] > 0
    assert counts["jobs in redis"] > counts["of those in the log"] > 100
