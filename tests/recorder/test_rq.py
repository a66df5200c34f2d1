"""RQ as the recorder sees it: one `rq_enqueue` a job whatever the path, and what became of it, across processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis, WatchError
from rq import Queue, Retry
from rq.command import send_stop_job_command
from rq.decorators import job as as_job
from rq.job import Job
from rq.repeat import Repeat
from rq.timeouts import JobTimeoutException

import recorder.asgi
import recorder.rq
import recorder.wsgi
from recorder import jobs
from recorder.core import Recorder, get_recorder
from recorder.events import Operation, current_operation
from recorder.log import BadLine, read
from recorder.settings import Settings
from tests.apps.rq_tasks import Mill, add, again, die, fail, hold, login, nest, refused, work
from tests.recorder.watching import call_asgi, call_wsgi, environ, events, exchanges, scope
from tests.support import ROOT, clean_environ, wait_until

REQUEST = "01REQUEST00000000000000000"
CAPTURE = "01CAPTURE00000000000000000"


@contextmanager
def request(recording: Recorder) -> Iterator[None]:
    """As if a request of the run were going on."""
    operation = Operation(
        REQUEST,
        recording.settings.root.parent / "run" / "_logs",
        {"run_id": "dry-creek", "config": "rusle"},
        {"recorder_session": "s" * 22},
        (CAPTURE,),
        recording,
    )
    token = current_operation.set(operation)
    try:
        yield
    finally:
        current_operation.reset(token)


def logged(recording: Recorder, *categories: str) -> list[dict[str, Any]]:
    """The events of both logs, in order of time."""
    root = recording.settings.root
    paths = [path / "_logs" / "profile.events.jsonl" for path in (root, root.parent / "run")]
    lines = [line for path in paths if path.exists() for line in read(path)]
    found = [line.event for line in lines if not isinstance(line, BadLine)]
    found.sort(key=lambda event: event["mono_ns"])
    return [event for event in found if event["category"] in (categories or ("rq_enqueue", "rq_job"))]


def told(recording: Recorder) -> list[str]:
    """The same as `category stage`, an enqueue with its status."""
    return [event["stage"] or event["payload"]["status"] for event in logged(recording)]


def rq_worker(redis_url: str, *options: str, **environment: str) -> subprocess.Popen[str]:
    """A real `rq worker` that ends when the queues are empty."""
    command = [sys.executable, "-m", "rq.cli", "worker", "--burst", *options]
    env = {**clean_environ(), "PYTHONPATH": str(ROOT), "REDIS_URL": redis_url, **environment}
    return subprocess.Popen(command, env=env, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def run_rq_worker(redis_url: str, *options: str, **environment: str) -> None:
    process = rq_worker(redis_url, *options, **environment)
    _, output = process.communicate(timeout=120)
    assert process.returncode == 0, output


PATHS: dict[str, tuple[Callable[[Queue], Any], str, str]] = {
    "enqueue": (lambda queue: queue.enqueue(add, 1, 2), "queued", "tests.apps.rq_tasks.add"),
    "enqueue_call": (lambda queue: queue.enqueue_call(add, (1, 2)), "queued", "tests.apps.rq_tasks.add"),
    "string": (lambda queue: queue.enqueue("tests.apps.rq_tasks.add", 1, 2), "queued", "tests.apps.rq_tasks.add"),
    "method": (lambda queue: queue.enqueue(Mill().grind, "rye"), "queued", "tests.apps.rq_tasks.Mill.grind"),
    "decorator": (lambda queue: as_job(queue, queue.connection)(add).delay(1, 2), "queued", "tests.apps.rq_tasks.add"),
    "enqueue_job": (
        lambda queue: queue.enqueue_job(queue.create_job(add, (1, 2))),
        "queued",
        "tests.apps.rq_tasks.add",
    ),
    "enqueue_in": (
        lambda queue: queue.enqueue_in(timedelta(days=1), add, 1, 2),
        "scheduled",
        "tests.apps.rq_tasks.add",
    ),
    "unique": (lambda queue: queue.enqueue(add, 1, 2, job_id="one", unique=True), "queued", "tests.apps.rq_tasks.add"),
    "at_front": (lambda queue: queue.enqueue(add, 1, 2, at_front=True), "queued", "tests.apps.rq_tasks.add"),
    "many": (lambda queue: queue.enqueue_many([queue.prepare_data(add, (1, 2))]), "queued", "tests.apps.rq_tasks.add"),
}


@pytest.mark.parametrize("path", PATHS)
def test_every_path_is_one_event(path: str, queue: Queue, recording: Recorder) -> None:
    enqueue, status, function = PATHS[path]
    with request(recording):
        enqueue(queue)
    work(queue)
    (event,) = logged(recording, "rq_enqueue")
    assert (event["payload"]["status"], event["payload"]["function"]) == (status, function)
    assert event["parent_id"] == REQUEST
    assert event["run_context"] == {"run_id": "dry-creek", "config": "rusle"}
    assert event["capture_ids"] == [CAPTURE]
    assert told(recording) == ([status] if status == "scheduled" else ["queued", "started", "finished"])


def test_the_payload_of_an_enqueue(queue: Queue, recording: Recorder) -> None:
    parent = queue.enqueue(add, 1, 2)
    with request(recording):
        job = queue.enqueue(add, 1, right={"deep": [1.5, None]}, depends_on=parent, job_id="named")
        when = queue.enqueue_at(datetime.fromisoformat("2030-01-01T12:00:00+02:00"), add, Path("/x"), 2)
    deferred, scheduled = logged(recording, "rq_enqueue")[1:]
    assert deferred["payload"] == {
        "job_id": "named", "queue": "default", "function": "tests.apps.rq_tasks.add", "args": [1],
        "kwargs": {"right": {"deep": [1.5, None]}}, "depends_on": [parent.id],
        "status": "deferred", "scheduled_for": None, "result_ttl": None,
    }  # fmt: skip
    assert scheduled["payload"]["scheduled_for"] == "2030-01-01T10:00:00.000000Z"
    assert scheduled["payload"]["args"] == [{"repr": "PosixPath('/x')", "type": "pathlib.PosixPath"}, 2]
    run_log = recording.settings.root.parent / "run" / "_logs" / "profile.events.jsonl"
    assert job.meta["recorder"] == {
        "v": 1, "operation_id": deferred["operation_id"], "log": str(run_log),
        "root": str(recording.settings.root), "run_id": "dry-creek", "config": "rusle", "capture_ids": [CAPTURE],
        "session": {"recorder_session": "s" * 22}, "parent_job": None,
    }  # fmt: skip
    assert when.get_meta()["recorder"]["operation_id"] == scheduled["operation_id"]


def test_dependents_are_deferred_once_and_released_in_silence(queue: Queue, recording: Recorder) -> None:
    with request(recording):
        parent = queue.enqueue(add, 1, 2)
        child = queue.enqueue(nest, 0, depends_on=parent)
    work(queue)
    assert told(recording) == ["queued", "deferred", "started", "finished", "started", "finished"]
    found = jobs.tree(parent.id, queue.connection)
    assert [node["id"] for node in jobs.nodes(found)] == [parent.id, child.id]  # RQ has forgotten by now


def test_many_at_once(queue: Queue, recording: Recorder) -> None:
    done = queue.enqueue(add, 1, 1)
    work(queue)
    open_ = queue.enqueue(add, 1, 1)
    before = len(logged(recording))
    queue.enqueue_many(
        [
            queue.prepare_data(add, (1, 1)),
            queue.prepare_data(add, (2, 2), depends_on=done),
            queue.prepare_data(add, (3, 3), depends_on=open_),
        ]
    )
    found = logged(recording)[before:]
    assert sorted((event["payload"]["args"][0], event["payload"]["status"]) for event in found) == [
        (1, "queued"), (2, "queued"), (3, "deferred"),
    ]  # fmt: skip


def test_a_pipeline_enqueues_when_it_is_executed(queue: Queue, recording: Recorder) -> None:
    with queue.connection.pipeline() as pipeline:
        queue.enqueue(add, 1, 2, pipeline=pipeline)
        queue.enqueue_in(timedelta(days=1), add, 3, 4, pipeline=pipeline)
        assert told(recording) == []
        pipeline.execute()
        assert told(recording) == ["queued", "scheduled"]
        pipeline.execute()
    assert told(recording) == ["queued", "scheduled"]


def test_a_pipeline_that_is_given_up_enqueues_nothing(queue: Queue, recording: Recorder) -> None:
    with queue.connection.pipeline() as pipeline:
        queue.enqueue(add, 1, 2, pipeline=pipeline)
        pipeline.reset()
        pipeline.execute()
    assert told(recording) == []


def test_a_pipeline_that_fails_enqueues_with_the_next_try(queue: Queue, recording: Recorder) -> None:
    job = queue.create_job(add, (1, 2))
    with queue.connection.pipeline() as pipeline:
        pipeline.watch("guarded")
        queue.connection.set("guarded", 1)
        queue.enqueue_job(job, pipeline=pipeline)
        with pytest.raises(WatchError):
            pipeline.execute()
        assert told(recording) == []
        queue.enqueue_job(job, pipeline=pipeline)
        pipeline.execute()
    assert told(recording) == ["queued"]


def test_an_enqueue_that_fails_is_none(queue: Queue, recording: Recorder) -> None:
    queue.enqueue(add, 1, 2, job_id="one", unique=True)
    with pytest.raises(Exception, match="already exists"):
        queue.enqueue(add, 1, 2, job_id="one", unique=True)
    assert told(recording) == ["queued"]


def test_a_synchronous_queue_tells_the_cause_before_its_effects(redis: Redis, recording: Recorder) -> None:
    queue = Queue("default", connection=redis, is_async=False)
    with request(recording):
        queue.enqueue(add, 1, 2)
        queue.enqueue(fail)
        queue.enqueue(nest, 1)
    assert told(recording)[:6] == ["queued", "started", "finished", "queued", "started", "failed"]
    nested = logged(recording, "rq_enqueue")[-1]
    execution = logged(recording, "rq_job")[-2]
    assert nested["parent_id"] == execution["operation_id"]


def test_an_execution(queue: Queue, recording: Recorder) -> None:
    with request(recording):
        queue.enqueue(add, 1, 2)
    work(queue)
    enqueue, started, finished = logged(recording)
    assert started["operation_id"] == finished["operation_id"] != enqueue["operation_id"]
    assert started["parent_id"] == finished["parent_id"] == enqueue["operation_id"]
    for event in (started, finished):
        assert event["run_context"] == enqueue["run_context"]
        assert event["session"] == enqueue["session"]
        assert event["capture_ids"] == [CAPTURE]
    assert finished["payload"].pop("duration_ms") > 0
    assert finished["payload"] == {
        "job_id": enqueue["payload"]["job_id"], "queue": "default", "function": "tests.apps.rq_tasks.add",
        "status": "finished", "result": 3, "error": None,
    }  # fmt: skip


def test_a_failure_brings_type_message_and_traceback(queue: Queue, recording: Recorder) -> None:
    queue.enqueue(fail, "no rain")
    work(queue)
    error = logged(recording)[-1]["payload"]["error"]
    assert (error["type"], error["message"]) == ("ValueError", "no rain")
    assert "in fail" in error["traceback"]


def test_retries_are_executions_of_one_enqueue(queue: Queue, recording: Recorder) -> None:
    queue.enqueue(fail, retry=Retry(max=1))
    work(queue)
    queue.enqueue(again, 2)
    work(queue)
    assert told(recording) == [
        "queued", "started", "retried", "started", "failed",
        "queued", "started", "retried", "started", "retried", "started", "finished",
    ]  # fmt: skip
    executions = [event["operation_id"] for event in logged(recording, "rq_job")]
    assert len(set(executions)) == 5


def test_repeats_are_executions_of_one_enqueue(queue: Queue, recording: Recorder) -> None:
    queue.enqueue(add, 1, 2, repeat=Repeat(times=1))
    work(queue)
    assert told(recording) == ["queued", "started", "finished", "started", "finished"]


def test_a_job_enqueued_again_by_a_request_is_an_enqueue(queue: Queue, recording: Recorder) -> None:
    job = queue.enqueue(fail)
    work(queue)
    with request(recording):
        Job.fetch(job.id, connection=queue.connection).requeue()
    work(queue)
    first, second = logged(recording, "rq_enqueue")
    assert (first["parent_id"], second["parent_id"]) == (None, REQUEST)
    assert logged(recording)[-1]["parent_id"] == second["operation_id"]


def test_secrets_go_by_the_names_of_parameters_and_keys(queue: Queue, recording: Recorder) -> None:
    queue.enqueue(login, "ada", "Countess-1815", api_key="k-123456789")
    queue.enqueue(login, "ada", "Countess-1815", wrong=True)
    work(queue)
    enqueue = logged(recording)[0]["payload"]
    assert enqueue["args"][0] == "ada"
    assert enqueue["args"][1].startswith("secret-password-")
    assert enqueue["kwargs"]["api_key"].startswith("secret-apikey-")
    everything = repr(logged(recording))
    assert "Countess" not in everything
    assert "k-123456789" not in everything


def test_a_failure_that_repeats_a_secret_argument(queue: Queue, recording: Recorder) -> None:
    queue.enqueue(refused, "Countess-1815", key={"api_key": "k-123456789012"})
    work(queue)
    error = logged(recording)[-1]["payload"]["error"]
    assert error["message"].startswith("refused password=secret-password-")
    everything = repr(logged(recording))
    assert "Countess" not in everything
    assert "k-123456789012" not in everything


def test_long_arguments_are_told_by_their_beginning(queue: Queue, recording: Recorder) -> None:
    queue.enqueue(add, ["x" * 100] * 1000, 2)
    first = logged(recording)[0]["payload"]["args"][0]
    assert (len(first["repr"]), first["type"]) == (500, "builtins.list")


def test_the_callers_meta_is_not_changed(queue: Queue, recording: Recorder) -> None:
    mine = {"mine": 1}
    one, two = queue.enqueue(add, 1, 2, meta=mine), queue.enqueue(add, 1, 2, meta=mine)
    assert mine == {"mine": 1}
    assert one.get_meta()["mine"] == 1
    assert one.meta["recorder"]["operation_id"] != two.meta["recorder"]["operation_id"]


def test_switched_off_it_leaves_no_trace(queue: Queue, recording: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECORDER_ENABLED", "no")
    assert queue.enqueue(add, 1, 2).meta == {}
    work(queue)
    assert told(recording) == []


@pytest.mark.parametrize("fault", ["log", "settings"])
def test_a_fault_of_ours_stays_ours(
    fault: str, queue: Queue, recording: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "log":
        monkeypatch.setattr(Recorder, "append", lambda *_: 1 / 0)
    else:
        monkeypatch.setenv("RECORDER_MODE", "nonsense")
    jobs = [queue.enqueue(add, 1, 2), queue.enqueue(fail), queue.enqueue(again, 1)]
    work(queue)
    assert [job.get_status() for job in jobs] == ["finished", "failed", "finished"]


def test_the_end_of_a_jobs_time_is_not_taken_for_a_fault_of_ours() -> None:
    with pytest.raises(JobTimeoutException), recorder.rq._quietly("anywhere"):
        raise JobTimeoutException


def test_the_servers_that_jobs_were_enqueued_on_are_known(queue: Queue, recording: Recorder) -> None:
    queue.enqueue(add, 1, 2)
    assert queue.connection.get_connection_kwargs() in [
        known.connection_pool.connection_kwargs for known in recorder.rq.connections
    ]


# Across processes


def test_request_to_enqueue_to_job_to_nested_enqueue(queue: Queue, recording: Recorder, redis_url: str) -> None:
    with request(recording):
        job = queue.enqueue(nest, 2)
    run_rq_worker(redis_url, "-c", "recorder.rq")  # where to write, it learns from the job
    told_of = logged(recording)
    assert told(recording).count("queued") == 3
    cause = REQUEST
    for depth in (2, 1, 0):
        (enqueue,) = [event for event in told_of if event["parent_id"] == cause and event["category"] == "rq_enqueue"]
        started, finished = [event for event in told_of if event["parent_id"] == enqueue["operation_id"]]
        assert finished["payload"]["result"] == depth
        assert finished["capture_ids"] == [CAPTURE]
        cause = started["operation_id"]
    run_log = recording.settings.root.parent / "run" / "_logs" / "profile.events.jsonl"
    assert (
        sum(not isinstance(line, BadLine) and line.event["category"].startswith("rq_") for line in read(run_log)) == 9
    )
    found = jobs.tree(job.id, queue.connection)
    nodes = list(jobs.nodes(found))
    assert [len(node["children"]) for node in nodes] == [1, 1, 0]
    assert jobs.aggregate(found) == "finished"
    child = Job.fetch(nodes[1]["id"], connection=queue.connection)
    assert child.meta["recorder"]["parent_job"] == job.id
    assert 0 < queue.connection.ttl(jobs.children_key(job.id)) <= jobs.CHILDREN_TTL


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_a_real_request_is_the_cause(kind: str, queue: Queue, redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "runs" / "dry-creek").mkdir(parents=True)
    settings = Settings(
        root=tmp_path / "root", run_pattern="/runs/(?P<run_id>[^/]+)", run_root=f"{tmp_path}/runs/{{run_id}}"
    )
    if kind == "wsgi":

        def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            queue.enqueue(nest, 1)
            start_response("200 OK", [])
            return [b"ok"]

        call_wsgi(recorder.wsgi.RecorderMiddleware(application, settings), environ("/runs/dry-creek/go", "POST"))
    else:

        async def enqueueing(scope: Any, receive: Any, send: Any) -> None:
            await asyncio.to_thread(queue.enqueue, nest, 1)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"ok"})

        call_asgi(recorder.asgi.RecorderMiddleware(enqueueing, settings), scope("/runs/dry-creek/go", "POST"))
    run_rq_worker(redis_url, "-c", "recorder.rq")
    log = tmp_path / "runs" / "dry-creek" / "_logs"
    ((request, _),) = exchanges(log)
    outer, inner = events(log, "rq_enqueue")
    executions = {event["parent_id"]: event["operation_id"] for event in events(log, "rq_job")}
    assert outer["parent_id"] == request["operation_id"]
    assert inner["parent_id"] == executions[outer["operation_id"]]
    assert [event["stage"] for event in events(log, "rq_job")] == ["started", "finished"] * 2


def test_a_worker_with_its_own_root_and_queues(
    redis: Redis, recording: Recorder, redis_url: str, tmp_path: Path
) -> None:
    Queue("rivers", connection=redis).enqueue(add, 1, 2)
    run_rq_worker(redis_url, "rivers", RQ_CONFIG="recorder.rq", RECORDER_ROOT=str(tmp_path / "other"))
    assert told(recording) == ["queued"]
    elsewhere = get_recorder(Settings(root=tmp_path / "other"))
    assert told(elsewhere) == ["started", "finished"]


def test_a_killed_work_horse_and_a_stopped_job(queue: Queue, recording: Recorder, redis_url: str) -> None:
    key = "test:hold"
    killed, held = queue.enqueue(die), queue.enqueue(hold, key)
    worker = rq_worker(redis_url, "-c", "recorder.rq")
    wait_until(lambda: queue.connection.llen(f"{key}:begun"), "the job has begun", 60)
    send_stop_job_command(queue.connection, held.id)
    _, output = worker.communicate(timeout=120)
    assert worker.returncode == 0, output
    ends = {e["payload"]["job_id"]: e for e in logged(recording, "rq_job") if e["stage"] != "started"}
    begins = {e["payload"]["job_id"]: e for e in logged(recording, "rq_job") if e["stage"] == "started"}
    assert (ends[killed.id]["stage"], ends[held.id]["stage"]) == ("failed", "stopped")
    assert ends[killed.id]["payload"]["error"]["type"] == "WorkHorseTerminated"
    for job in (killed, held):
        assert ends[job.id]["operation_id"] == begins[job.id]["operation_id"]
        assert ends[job.id]["writer"] != begins[job.id]["writer"]  # the worker's word on what its horse began


def test_django_hooks_rq_whenever_it_is_imported() -> None:
    code = (
        "import django; from django.conf import settings; settings.configure(INSTALLED_APPS=['recorder.django']);"
        "django.setup(); import sys; assert 'rq' not in sys.modules; import rq;"
        "print('recorder.rq' in sys.modules, django.apps.apps.get_app_config('recorder').name)"
    )
    env = {**clean_environ(), "PYTHONPATH": str(ROOT)}
    answer = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=180)
    assert answer.stdout.split() == ["True", "recorder.django"], answer.stderr
