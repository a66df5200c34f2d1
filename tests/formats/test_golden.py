"""Kept files of every format version: what was written once is read for good (docs/formats.md)."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from recorder.log import BadLine, Line, read
from recorder.manifest import Manifest
from recorder.pseudonyms import PSEUDONYM, Pseudonyms, load_key

HERE = Path(__file__).parent / "v1"
ROOT = HERE / "recorder"
RUN = HERE / "runs/ba/backed-globule"
LOGS = [ROOT / "_logs", RUN / "_logs"]

ULID = re.compile("[0-9A-HJKMNP-TV-Z]{26}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
KEYS = [
    *("v", "id", "operation_id", "parent_id", "writer", "sequence", "timestamp", "boot_id", "mono_ns", "category"),
    *("stage", "payload", "session", "run_context", "capture_ids"),
]
PAYLOADS = {
    ("http_request", "started"): {"method", "scheme", "path", "query", "headers", "http_version"},
    ("http_request", "finished"): {"request_body", "status", "headers", "body", "duration_ms", "error"},
    ("http_request", "failed"): {"request_body", "status", "headers", "body", "duration_ms", "error"},
    ("rq_enqueue", None): {
        *("job_id", "queue", "function", "args", "kwargs", "depends_on", "status", "scheduled_for"),
    },
    ("rq_job", "started"): {"job_id", "queue", "function", "status", "duration_ms", "result", "error"},
    ("rq_job", "finished"): {"job_id", "queue", "function", "status", "duration_ms", "result", "error"},
    ("file_upload", None): {"field", "filename", "media_type", "size", "sha256", "ref"},
}
BODY = {"size", "sha256", "media_type", "encoding", "stored_encoding", "truncated", "redactions"}
PART = {"name", "filename", "media_type", "headers", "size", "sha256"}
PLACES = {"text", "ref", "parts", "omitted"}


def events(log_dir: Path) -> list[dict[str, Any]]:
    return [line.event for line in read(log_dir / "profile.events.jsonl") if isinstance(line, Line)]


EVENTS = [(log_dir, event) for log_dir in LOGS for event in events(log_dir)]


@pytest.mark.parametrize(("log_dir", "event"), EVENTS, ids=[event["id"] for _, event in EVENTS])
def test_every_event(log_dir: Path, event: dict[str, Any]) -> None:
    assert list(event) == KEYS
    assert event["v"] == 1
    for name in ("id", "operation_id", "writer", *(["parent_id"] if event["parent_id"] else [])):
        assert ULID.fullmatch(event[name]), name
    assert TIME.fullmatch(event["timestamp"])
    assert event["mono_ns"] > 0
    if event["session"] is not None:
        assert set(event["session"]) == {"recorder_session", "user", "browser", "viewport", "theme"}
    if event["run_context"] is not None:
        assert set(event["run_context"]) == {"run_id", "config"}
    if event["category"] == "system_log":
        assert "kind" in event["payload"]
    else:
        assert set(event["payload"]) == PAYLOADS[event["category"], event["stage"]]
    if "body" in event["payload"]:
        for body in (event["payload"]["body"], event["payload"]["request_body"]):
            check(log_dir, body, BODY)


def check(log_dir: Path, body: dict[str, Any] | None, keys: set[str]) -> None:
    if body is None:
        return
    assert set(body) - PLACES == keys
    assert len(set(body) & PLACES) == 1
    if "parts" in body:
        for part in body["parts"]:
            check(log_dir, part, PART)
    else:
        stored = body["text"].encode() if "text" in body else (log_dir / "profile.bodies" / body["ref"]).read_bytes()
        assert hashlib.sha256(stored).hexdigest() == body["sha256"]


def test_the_reader_says_what_is_torn() -> None:
    path = LOGS[1] / "profile.events.jsonl"
    bad = [line for line in read(path) if isinstance(line, BadLine)]
    assert [line.reason for line in bad] == ["torn"]
    assert path.read_bytes()[bad[0].offset :].startswith(b'{"v":1,"id":"01KAFTORN\n')


@pytest.mark.parametrize("log_dir", LOGS)
def test_requests_come_in_pairs(log_dir: Path) -> None:
    requests = [event for event in events(log_dir) if event["category"] == "http_request"]
    started = [event["operation_id"] for event in requests if event["stage"] == "started"]
    ended = [event["operation_id"] for event in requests if event["stage"] != "started"]
    assert sorted(started) == sorted(ended)
    assert len(set(started)) == len(started)


def test_causes_lead_from_job_to_request() -> None:
    by_operation = {event["operation_id"]: event["category"] for event in events(LOGS[1])}
    causes = {
        event["category"]: by_operation[event["parent_id"]]
        for event in events(LOGS[1])
        if event["parent_id"] is not None
    }
    assert causes == {"file_upload": "http_request", "rq_enqueue": "http_request", "rq_job": "rq_enqueue"}


def test_a_gap_in_the_sequence_is_a_loss() -> None:
    numbers = [event["sequence"] for event in events(LOGS[1])]
    missing = set(range(1, max(numbers))) - set(numbers)
    (lost,) = [event["payload"] for event in events(LOGS[1]) if event["payload"].get("kind") == "lost"]
    assert lost["count"] == len(missing) == 2


def test_pseudonyms_are_what_the_key_says() -> None:
    pseudonyms = Pseudonyms(load_key(ROOT))
    text = LOGS[0].joinpath("profile.events.jsonl").read_text() + LOGS[1].joinpath("profile.events.jsonl").read_text()
    found = {(match[1], match[2]) for match in PSEUDONYM.finditer(text)}
    token = pseudonyms.digest("ImY3+/Zq=<&>77kkQ")
    assert {kind for kind, digest in found if digest == token} == {"cookie", "csrf"}
    assert ("password", pseudonyms.digest("correct horse battery")) in found
    assert ("password", pseudonyms.digest("lovelace1815")) in found
    for secret in ("ImY3", "correct", "lovelace1815", "eJwlzj"):
        assert secret not in text


def test_redactions_point_at_what_was_replaced() -> None:
    page = events(LOGS[0])[2]["payload"]["body"]
    for redaction in page["redactions"]:
        assert page["text"][int(redaction["pointer"][2:]) :].startswith(redaction["pseudonym"])


def test_captures_and_the_list_of_logs() -> None:
    (capture,) = Manifest(LOGS[1]).captures()
    assert (capture["slug"], capture["scope"], capture["state"]) == ("small-watershed", "run", "ended")
    kinds = {event["id"]: event["payload"].get("kind") for event in events(LOGS[1])}
    assert [kinds[boundary or ""] for boundary in capture["windows"][0]] == ["capture_started", "capture_ended"]
    lines = [json.loads(line) for line in (ROOT / "logs.jsonl").read_text().splitlines() if line]
    assert [(set(line), line["run_id"]) for line in lines] == [
        ({"v", "log", "run_id", "config", "opened"}, None),
        ({"v", "log", "run_id", "config", "opened"}, "backed-globule"),
    ]
