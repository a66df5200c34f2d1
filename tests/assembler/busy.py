"""A recording in which each kind of event occurs: login, token, JSON, poll, upload, job, long body, a run of its own."""

from __future__ import annotations

from pathlib import Path

from recorder.events import current_operation, ulid
from recorder.manifest import Capture
from tests.assembler.deployment import JSON, Deployment

TOKEN = "tok8f3d9c27be4415fA"
ORDER = "5f0c9f1e-8d6b-4a59-9a6b-1f1f3d6a3f10"
SENT = ("cookie", "sid=a8f3d9c27be4415f")
LONG = "<p>" + "word " * 20_000 + "</p>"
"""More than stands in a record."""


def busy(site: Deployment) -> Capture:
    """Record it at `site`. Returns the capture, ended; the login precedes it."""
    site.run("dry-creek", {"active.cfg": "a"})
    site.form("/login", "user=ada&password=open+sesame+42", cookies=["sid=a8f3d9c27be4415f; Path=/"])
    capture = site.start()
    page = f"<form><input name=csrf_token value={TOKEN}></form>"
    site.send("GET", "/home", page, headers=[SENT])
    body, sent = '{"name":"Ada"}', [SENT, ("content-type", JSON), ("content-length", "14")]
    site.send("POST", "/orders", f'{{"id":"{ORDER}","n":17}}', kind=JSON, headers=sent, body=body)
    for state in ("queued", "finished"):
        site.send("GET", f"/orders/{ORDER}?n=17", f'{{"status":"{state}"}}', kind=JSON, headers=[SENT])
    site.form("/save", f"csrf_token={TOKEN}&a=b", "ok", headers=[SENT])
    site.upload("/dem", ("dem.tif", b"II*\0" + bytes(1000)), fields={"a": "b"})
    site.send("GET", "/runs/dry-creek/active/x", "<h1>x</h1>")
    _job(site, capture)
    site.send("GET", "/long", LONG)
    return site.end(capture)


def _job(site: Deployment, capture: Capture) -> None:
    """A request that enqueues a job, which a worker then does."""
    exchange = site.recorder.begin("POST", "http", "/jobs", "", [("host", "127.0.0.1:8000")], "1.1")
    cause = current_operation.get()
    assert cause is not None
    enqueue, execution, ids = ulid(), ulid(), (capture["capture_id"],)
    told = {"job_id": "j1", "queue": "default", "function": "tasks.work"}
    site.recorder.emit(
        "rq_enqueue",
        None,
        {**told, "args": [1], "kwargs": {}, "depends_on": [], "status": "queued", "scheduled_for": None},
        operation_id=enqueue,
        parent_id=cause.operation_id,
        capture_ids=ids,
    )
    exchange.response_start(202, [("content-type", JSON)])
    exchange.response_chunk(b'{"job_id":"j1"}', last=True)
    exchange.leave()
    for stage in ("started", "finished"):
        took = None if stage == "started" else 3.0
        payload = {**told, "status": stage, "duration_ms": took, "result": None, "error": None}
        site.recorder.emit(
            "rq_job", stage, payload, operation_id=execution, parent_id=enqueue, capture_ids=ids
        )  # fmt: skip


def logs(site: Deployment) -> dict[Path, bytes]:
    """The logs of the recording and what they hold."""
    return {log: log.read_bytes() for log in (site.log(), site.log("dry-creek"))}
