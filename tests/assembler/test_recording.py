"""Events put together again: order, answers, and which jobs came of which request."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assembler.document import load_profile
from assembler.recording import Bodies, Recording
from recorder.events import ulid
from tests.assembler.deployment import Deployment

BEGIN = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


class Machine:
    """A machine with a clock of its own; its events are as the format says."""

    def __init__(self, boot: str, *, up: float = 1000.0, wrong: float = 0.0) -> None:
        self.boot, self.up, self.wrong = boot, up, wrong
        self.events: list[dict[str, Any]] = []
        self.count = itertools.count(1)

    def event(
        self, at: float, category: str, stage: str | None, payload: dict[str, Any], **rest: Any
    ) -> dict[str, Any]:
        """An event `at` seconds after the beginning; `wrong` is how far the wall clock is off."""
        identity = ulid()
        found = {
            "v": 1, "id": identity, "operation_id": identity, "parent_id": None, "writer": self.boot, "sequence": next(self.count),
            "timestamp": (BEGIN + timedelta(seconds=at + self.wrong)).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "boot_id": self.boot, "mono_ns": round((self.up + at) * 1e9), "category": category, "stage": stage, "payload": payload,
            "session": None, "run_context": None, "capture_ids": ["C"], **rest,
        }  # fmt: skip
        self.events.append(found)
        return found

    def request(
        self, path: str, at: float, took: float | None = 0.01, status: int | None = 200, error: Any = None
    ) -> str:
        """A request that is answered after `took` seconds; None: never. Returns its operation."""
        payload = {
            "method": "GET",
            "scheme": "http",
            "path": path,
            "query": "",
            "headers": [["host", "x"]],
            "http_version": "1.1",
        }
        operation = str(self.event(at, "http_request", "started", payload)["operation_id"])
        if took is not None:
            answer = {
                "request_body": None,
                "status": status,
                "headers": [],
                "body": None,
                "duration_ms": took * 1000,
                "error": error,
            }
            stage = "failed" if error else "finished"
            self.event(at + took, "http_request", stage, answer, operation_id=operation)
        return operation

    def enqueue(self, job: str, at: float, parent: str, **payload: Any) -> str:
        """A job is enqueued. Returns the enqueue's operation."""
        told = {
            "job_id": job,
            "queue": "default",
            "function": f"tasks.{job}",
            "args": [],
            "kwargs": {},
            "depends_on": [],
            "status": "queued",
        }
        return str(self.event(at, "rq_enqueue", None, {**told, **payload}, parent_id=parent)["operation_id"])

    def work(self, job: str, at: float, enqueued: str, *, stages: tuple[str, ...] = ("started", "finished")) -> str:
        """A job is worked on. Returns the execution's operation."""
        operation = ulid()
        for number, stage in enumerate(stages):
            payload = {
                "job_id": job,
                "status": stage,
                "duration_ms": 1.0 if number else None,
                "result": None,
                "error": None,
            }
            self.event(at + number * 0.01, "rq_job", stage, payload, operation_id=operation, parent_id=enqueued)
        return operation


def recording(*machines: Machine) -> Recording:
    events = [event for machine in machines for event in machine.events]
    random.Random(5).shuffle(events)
    return Recording(events, "C", Bodies())


def order(*machines: Machine) -> list[str]:
    return [exchange.path for exchange in recording(*machines).exchanges]


def test_on_one_boot_the_monotonic_clock_orders_whatever_the_wall_clock_says() -> None:
    machine = Machine("a")
    for number in range(6):
        machine.wrong = -100.0 * number
        machine.request(f"/{number}", number)
    assert order(machine) == ["/0", "/1", "/2", "/3", "/4", "/5"]


def test_a_machine_that_was_restarted_goes_on_behind() -> None:
    first, second = Machine("zzz", up=90_000), Machine("aaa", up=5)
    first.request("/0", 0)
    first.request("/1", 1)
    second.request("/2", 60)
    second.request("/3", 61)
    assert order(first, second) == ["/0", "/1", "/2", "/3"]


def test_two_machines_that_serve_in_turn_are_ordered_by_time() -> None:
    machines = Machine("a", up=90_000), Machine("b", up=5)
    for number in range(6):
        machines[number % 2].request(f"/{number}", number)
    assert order(*machines) == ["/0", "/1", "/2", "/3", "/4", "/5"]


def test_what_happened_before_what() -> None:
    one, other = Machine("a"), Machine("b")
    one.request("/long", 0, took=5)
    one.request("/inside", 1)
    one.request("/behind", 6)
    other.request("/elsewhere-inside", 2)
    other.request("/elsewhere-behind", 7)
    found = {exchange.path: exchange for exchange in recording(one, other).exchanges}
    before = {(a, b) for a in found for b in found if found[a].before(found[b])}
    assert before == {
        ("/long", "/behind"), ("/inside", "/behind"), ("/inside", "/elsewhere-inside"), ("/elsewhere-inside", "/behind"),
        ("/long", "/elsewhere-behind"), ("/inside", "/elsewhere-behind"), ("/behind", "/elsewhere-behind"),
        ("/elsewhere-inside", "/elsewhere-behind"),
    }  # fmt: skip


# ---------------------------------------------------------------------------------------------------- jobs


def test_jobs_belong_to_the_request_that_caused_them_however_deep() -> None:
    web, worker = Machine("web"), Machine("worker", up=7)
    one, two = web.request("/one", 0), web.request("/two", 1)
    parent = worker.work("parent", 2, web.enqueue("parent", 0.005, one))
    child = worker.work("child", 2.005, worker.enqueue("child", 2.001, parent))
    worker.work("sibling", 2.02, worker.enqueue("sibling", 2.004, parent))
    worker.work("grandchild", 2.007, worker.enqueue("grandchild", 2.006, child), stages=("started", "failed"))
    web.enqueue("waiting", 1.005, two, depends_on=["parent"], status="deferred")
    found = recording(web, worker)
    jobs = {e.path: [[(j.job_id, j.status) for j in root.tree()] for root in e.jobs] for e in found.exchanges}
    assert jobs == {
        "/one": [[("parent", "finished"), ("child", "finished"), ("grandchild", "failed"), ("sibling", "finished")]],
        "/two": [[("waiting", "deferred")]],
    }
    assert found.jobs["waiting"].depends_on == ["parent"]


def test_a_worker_whose_clock_is_behind_loses_no_job() -> None:
    web, worker = Machine("web"), Machine("worker", wrong=-30.0)
    worker.work("job", 1, web.enqueue("job", 0.005, web.request("/one", 0)))
    (job,) = recording(web, worker).exchanges[0].jobs
    assert job.status == "finished"


def test_a_job_that_was_tried_again_is_one_job() -> None:
    machine = Machine("a")
    enqueued = machine.enqueue("job", 0.005, machine.request("/one", 0))
    first = machine.work("job", 1, enqueued, stages=("started", "retried"))
    second = machine.work("job", 2, enqueued)
    for number, parent in enumerate((first, second)):
        machine.enqueue(f"child{number}", 2.5, parent)
    (job,) = recording(machine).exchanges[0].jobs
    assert (job.status, [child.job_id for child in job.children]) == ("finished", ["child0", "child1"])


def test_a_long_chain_of_jobs_is_a_tree() -> None:
    machine = Machine("a")
    parent = machine.request("/one", 0)
    for number in range(3000):
        parent = machine.work(f"job{number}", 1 + number, machine.enqueue(f"job{number}", 0.5 + number, parent))
    (root,) = recording(machine).exchanges[0].jobs
    assert [job.job_id for job in root.tree()] == [f"job{number}" for number in range(3000)]


def test_jobs_that_nobody_in_the_log_enqueued_are_nobodys() -> None:
    machine = Machine("a")
    machine.request("/one", 0)
    machine.work("unknown", 1, ulid())
    machine.enqueue("cron", 1, ulid())
    found = recording(machine)
    assert found.exchanges[0].jobs == []
    assert found.notes == []


# ---------------------------------------------------------------------------------------------------- answers


def test_requests_without_an_answer_are_noted_and_left_out() -> None:
    machine = Machine("a")
    machine.request("/cut", 0, took=None)
    machine.request("/raised", 1, status=None, error={"type": "ValueError", "message": "", "traceback": ""})
    machine.request("/left", 2, error={"type": "ClientDisconnect", "message": "", "traceback": ""})
    machine.request("/good", 3)
    machine.request("/bad", 4, status=500)
    found = recording(machine)
    assert [e.path for e in found.exchanges] == ["/good", "/bad"]
    assert [e.index for e in found.exchanges] == [0, 1]
    assert found.notes == [
        "GET /cut was never answered and is left out.",
        "GET /raised was never answered (the application raised ValueError) and is left out.",
        "GET /left was given up by its client before the answer was complete and is left out.",
    ]


def test_records_that_stand_twice_count_once() -> None:
    machine = Machine("a")
    machine.request("/one", 0)
    machine.events += machine.events
    assert order(machine) == ["/one"]


def test_an_answer_without_its_request_is_nothing() -> None:
    machine = Machine("a")
    machine.request("/one", 0)
    machine.events = machine.events[1:]
    assert order(machine) == []


@pytest.fixture
def site(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path)


def test_a_form_whose_sender_did_not_wait_is_sent_and_its_answer_not_compared(site: Deployment) -> None:
    capture = site.start()
    for method in ("GET", "POST"):
        exchange = site.recorder.begin(method, "http", "/stream", "", [("host", "127.0.0.1:8000")], "1.1")
        exchange.response_start(200, [("content-type", "text/plain")])
        exchange.response_chunk(b"the first half")
        exchange.disconnect()
        exchange.finish()
        exchange.leave()
    site.end(capture)
    status = site.assemble()
    (step,) = load_profile(status.directory / "profile.yaml").steps
    assert (step.method, step.path) == ("POST", "/stream")
    assert step.expect is not None
    assert (step.expect.status, step.expect.body, step.expect.empty) == (200, None, False)
    assert status.warnings == (
        "GET /stream was given up by its client before the answer was complete and is left out.",
        "step post-stream: the answer's body was not stored (the client left before it was complete) and is not compared.",
    )


def test_a_websocket_is_left_out_whoever_recorded_it(site: Deployment) -> None:
    """A server without the recorder's own note, or one that took the socket by raising."""
    capture = site.start()
    headers = [("host", "127.0.0.1:8000"), ("upgrade", "WebSocket"), ("connection", "Upgrade")]
    for path, sent in (("/live", headers), ("/page", [*headers[:1], ("upgrade", "h2c")])):
        exchange = site.recorder.begin("GET", "http", path, "", sent, "1.1")
        exchange.response_start(200, [("content-type", "text/plain")])
        exchange.response_chunk(b"", last=True)
        exchange.finish()
        exchange.leave()
    site.end(capture)
    status = site.assemble()
    profile = load_profile(status.directory / "profile.yaml")
    assert [step.path for step in profile.steps] == ["/page"]
    assert profile.metadata.not_replayed == ["the websocket /live"]
    assert "GET /live opened a websocket and is left out." in status.warnings
