"""Events put together again: which request got which answer, which jobs came of it, in which order.

Order is happens-before as far as the log tells it (docs/formats.md): on one boot by CLOCK_MONOTONIC, across boots and
machines by timestamp.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from assembler.storage import digest

__all__ = ["SCHEME", "Bodies", "Exchange", "Job", "Recording", "answered", "asked", "epoch"]

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
"""Schemes as RFC 3986, 3.1 has them."""
_REF = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{62}")
_UNREADABLE = "(unreadable)"
"""The function of a job that could not be read where it was enqueued."""
_WEBSOCKET = "opened a websocket"
_DAMAGED = "what is in the log no longer has the checksum it was recorded with"


def epoch(timestamp: str) -> float:
    """Seconds since 1970 of an event's ISO-8601 timestamp."""
    return datetime.fromisoformat(timestamp).timestamp()


def _first(header: str | None) -> str:
    """What the proxy nearest to the client said; each proxy behind it appends its own."""
    return (header or "").partition(",")[0].strip()


class Bodies:
    """The stored bodies of one or more logs, looked up by `ref`."""

    def __init__(self, *directories: Path) -> None:
        self.directories = [*directories]
        self._digests: dict[Path, tuple[tuple[int, int], str]] = {}

    def path(self, ref: str) -> Path | None:
        """The file behind `ref` (`<2>/<sha256>`), or None when it is missing or the reference is malformed."""
        if not _REF.fullmatch(ref):
            return None
        for directory in self.directories:
            found = directory / ref
            if found.is_file():
                return found
        return None

    def sound(self, content: Mapping[str, Any]) -> bool:
        """Whether what is stored of a body or part is what its record says; True where nothing is stored."""
        if content.get("text") is not None:
            return hashlib.sha256(str(content["text"]).encode()).hexdigest() == str(content["sha256"])
        path = self.path(content["ref"]) if content.get("ref") else None
        return path is None or self._digest(path) == str(content["sha256"])

    def _digest(self, path: Path) -> str:
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        known = self._digests.get(path)
        if known is None or known[0] != stamp:
            known = self._digests[path] = (stamp, digest(path))
        return known[1]

    def text(self, descriptor: Mapping[str, Any] | None) -> str | None:
        """The stored text of a body, or None where it is binary, absent or was omitted."""
        if descriptor is None:
            return None
        if descriptor.get("text") is not None:
            return str(descriptor["text"])
        if (ref := descriptor.get("ref")) and (path := self.path(ref)):
            try:
                return path.read_bytes().decode("utf-8")
            except UnicodeDecodeError:
                return None
        return None


@dataclass
class Job:
    """One background job as the log saw it."""

    job_id: str
    function: str
    queue: str
    operation_id: str
    parent_id: str | None
    depends_on: list[str]
    status: str = "queued"
    scheduled: bool = False
    kept: bool = True
    duration_ms: float | None = None
    result: Any = None
    error: Any = None
    executions: list[str] = field(default_factory=list)
    successes: int = 0
    children: list[Job] = field(default_factory=list)
    finished_ns: int | None = None
    writers: set[str] = field(default_factory=set)
    """Who logged it: one, where it was performed by the process that enqueued it."""

    def tree(self) -> Iterable[Job]:
        """This job and everything it enqueued, depth first."""
        waiting = [self]
        while waiting:
            job = waiting.pop()
            yield job
            waiting.extend(reversed(job.children))


@dataclass
class Exchange:
    """One request and its answer."""

    operation_id: str
    method: str
    scheme: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    boot: str
    started_ns: int
    timestamp: float
    captured: bool
    run_id: str | None = None
    config: str | None = None
    session: Mapping[str, Any] | None = None
    finished_ns: int | None = None
    status: int | None = None
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    request_body: Mapping[str, Any] | None = None
    body: Mapping[str, Any] | None = None
    duration_ms: float | None = None
    error: Any = None
    jobs: list[Job] = field(default_factory=list)
    index: int = -1

    def header(self, name: str) -> str | None:
        """The first request header `name` (lower case)."""
        return next((v for n, v in self.headers if n == name), None)

    def response_header(self, name: str) -> str | None:
        """The first answer header `name` (lower case)."""
        return next((v for n, v in self.response_headers if n == name), None)

    @cached_property
    def host(self) -> str:
        """Host and port the client asked for."""
        return self.header("host") or ""

    @property
    def origin(self) -> str:
        """Scheme, host and port the client saw."""
        scheme = _first(self.header("x-forwarded-proto"))
        host = _first(self.header("x-forwarded-host")) or self.host
        return f"{scheme if SCHEME.fullmatch(scheme) else self.scheme}://{host}"

    @property
    def media_type(self) -> str:
        """The answer's media type, lower case, without parameters."""
        return (self.response_header("content-type") or "").partition(";")[0].strip().lower()

    @property
    def safe(self) -> bool:
        """True when the method promises to change nothing (RFC 9110, 9.2.1)."""
        return self.method in ("GET", "HEAD", "OPTIONS", "TRACE")

    @property
    def awaited_jobs(self) -> list[Job]:
        """The jobs that a worker performed: not those that were over within the request, in its own process, as with a
        queue that is not asynchronous."""
        end = self.finished_ns or 0
        return [j for j in self.jobs if len(j.writers) > 1 or j.finished_ns is None or j.finished_ns > end]

    @property
    def disconnected(self) -> bool:
        """True when the client left before the answer was complete: it would never have ended, or nobody waited."""
        return isinstance(self.error, Mapping) and self.error.get("type") == "ClientDisconnect"

    @property
    def left_out(self) -> str | None:
        """Why no replay can repeat this exchange and know what to expect, in words; None when one can."""
        if (self.header("upgrade") or "").strip().lower() == "websocket":
            return _WEBSOCKET
        if self.disconnected and (self.safe or self.status is None):
            return "was given up by its client before the answer was complete"
        if self.status is None and isinstance(self.error, Mapping):
            return f"was never answered (the application raised {self.error.get('type')})"
        return "was never answered" if self.status is None else None

    def before(self, other: Exchange) -> bool:
        """True when this exchange was complete before `other` began."""
        if self.finished_ns is None:
            return False
        if self.boot != other.boot:
            return self.timestamp + (self.duration_ms or 0.0) / 1000 <= other.timestamp
        return self.finished_ns <= other.started_ns


class Recording:
    """The exchanges and jobs of one capture, and of what led up to it."""

    def __init__(self, events: Iterable[Mapping[str, Any]], capture_id: str | None, bodies: Bodies) -> None:
        self.bodies = bodies
        self.capture_id = capture_id
        self.exchanges: list[Exchange] = []
        self.jobs: dict[str, Job] = {}
        self.notes: list[str] = []
        self.not_replayed: dict[str, str] = {}
        """What a browser did beside its requests and answers: its name, and a sentence about it."""
        self.runs: dict[str, str | None] = {}
        opened: dict[str, Exchange] = {}
        by_operation: dict[str, Job] = {}
        seen: set[str] = set()
        progress: list[Mapping[str, Any]] = []
        for event in _in_order(events):
            if event["id"] in seen:
                continue
            seen.add(event["id"])
            category, stage, payload = event["category"], event["stage"], event["payload"]
            if category == "http_request" and stage == "started":
                exchange = asked(event, capture_id)
                opened[event["operation_id"]] = exchange
                self.exchanges.append(exchange)
            elif category == "http_request":
                if exchange_ := opened.get(event["operation_id"]):
                    answered(exchange_, event, bodies)
                elif capture_id is None or capture_id in event["capture_ids"]:
                    self.notes.append(
                        f"An answer (status {payload.get('status')}, at {event['timestamp']}) belongs to no request that was "
                        "found, and is left out."
                    )
            elif category == "rq_enqueue":
                job = Job(
                    payload["job_id"],
                    payload["function"] or _UNREADABLE,
                    payload["queue"],
                    event["operation_id"],
                    event["parent_id"],
                    list(payload.get("depends_on") or []),
                    payload.get("status") or "queued",
                    payload.get("status") == "scheduled",
                    payload.get("result_ttl") != 0,
                    writers={event["writer"]},
                )
                self.jobs.setdefault(job.job_id, job)
                by_operation[event["operation_id"]] = job
            elif category == "rq_job":
                progress.append(event)
            elif category == "system_log" and payload.get("kind") == "note":
                if payload.get("websocket") is None:
                    self.notes.append(str(payload.get("message")))
                elif capture_id is None or capture_id in event["capture_ids"]:
                    self.not_replayed.setdefault(f"the websocket {payload['websocket']}", str(payload.get("message")))
        for event in progress:  # the clock of a worker's machine may be behind that of the one that enqueued
            self._progress(event)
        by_execution = {operation: job for job in self.jobs.values() for operation in job.executions}
        for job in self.jobs.values():
            if parent := by_execution.get(job.parent_id or ""):
                parent.children.append(job)
            elif exchange_ := opened.get(job.parent_id or ""):
                exchange_.jobs.append(job)
        # Answered requests only: what never finished has no answer to expect.
        for exchange in self.exchanges:
            if exchange.captured and (why := exchange.left_out):
                self.notes.append(f"{exchange.method} {exchange.path} {why} and is left out.")
                if why == _WEBSOCKET:
                    self.not_replayed.setdefault(f"the websocket {exchange.path}", self.notes[-1])
                elif exchange.media_type == "text/event-stream":
                    self.not_replayed.setdefault(f"the event stream {exchange.path}", self.notes[-1])
        self.notes.extend(s for s in self.not_replayed.values() if s not in self.notes)
        self.exchanges = [e for e in self.exchanges if not e.left_out]
        for index, exchange in enumerate(self.exchanges):
            exchange.index = index
            if exchange.captured and exchange.run_id:
                self.runs.setdefault(exchange.run_id, exchange.config)

    @property
    def captured(self) -> list[Exchange]:
        """The exchanges inside the capture's window, in order."""
        return [e for e in self.exchanges if e.captured]

    def _progress(self, event: Mapping[str, Any]) -> None:
        payload = event["payload"]
        job = self.jobs.get(payload["job_id"])
        if job is None:
            return
        if event["operation_id"] not in job.executions:
            job.executions.append(event["operation_id"])
        job.writers.add(event["writer"])
        job.status = payload.get("status") or event["stage"]
        if event["stage"] != "started":
            job.duration_ms, job.result, job.error = (
                payload.get("duration_ms"),
                payload.get("result"),
                payload.get("error"),
            )
            job.finished_ns = event["mono_ns"]
            job.successes += event["stage"] == "finished"


def _in_order(events: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """By the monotonic clock of each boot, laid on the timeline by the boot's first record."""
    listed = list(events)
    first: dict[str, tuple[int, int]] = {}
    for event in listed:
        boot, clock = event["boot_id"], event["mono_ns"]
        if boot not in first or clock < first[boot][0]:
            first[boot] = clock, round(epoch(event["timestamp"]) * 1e6) * 1000
    if len(first) == 1:
        return sorted(listed, key=lambda e: (e["mono_ns"], e["sequence"]))
    shift = {boot: wall - clock for boot, (clock, wall) in first.items()}
    return sorted(listed, key=lambda e: (e["mono_ns"] + shift[e["boot_id"]], e["boot_id"], e["sequence"]))


def asked(event: Mapping[str, Any], capture_id: str | None) -> Exchange:
    """The request that a `started` record tells of; without a `capture_id` every one is captured."""
    payload = event["payload"]
    context = event.get("run_context") or {}
    captured = capture_id is None or capture_id in (event.get("capture_ids") or [])
    return Exchange(
        event["operation_id"], payload["method"], payload.get("scheme") or "http", payload["path"], payload.get("query") or "",
        [(str(n), str(v)) for n, v in payload["headers"]], event["boot_id"], event["mono_ns"], epoch(event["timestamp"]),
        captured, context.get("run_id"), context.get("config"), event.get("session"),
    )  # fmt: skip


def answered(exchange: Exchange, event: Mapping[str, Any], bodies: Bodies) -> None:
    """Put the answer, that the `finished` record of an exchange tells of, into the exchange."""
    payload = event["payload"]
    exchange.finished_ns = event["mono_ns"]
    exchange.status = payload.get("status")
    exchange.response_headers = [(str(n), str(v)) for n, v in payload.get("headers") or []]
    exchange.request_body = _intact(payload.get("request_body"), bodies)
    exchange.body = _intact(payload.get("body"), bodies)
    exchange.duration_ms = payload.get("duration_ms")
    exchange.error = payload.get("error")
    if exchange.disconnected and exchange.body:
        exchange.body = _without(exchange.body, "the client left before it was complete")


def _intact(body: Mapping[str, Any] | None, bodies: Bodies) -> Mapping[str, Any] | None:
    """A body without what no longer is what was recorded: nobody is to send it, or to compare with it."""
    if body is None:
        return None
    if body.get("parts") is not None:
        return {**body, "parts": [p if bodies.sound(p) else _without(p, _DAMAGED) for p in body["parts"]]}
    return body if bodies.sound(body) else _without(body, _DAMAGED)


def _without(content: Mapping[str, Any], reason: str) -> dict[str, Any]:
    return {**{k: v for k, v in content.items() if k not in ("text", "ref", "parts")}, "omitted": reason}
