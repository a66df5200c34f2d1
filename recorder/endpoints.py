"""What each call of the recorder's API answers; who may call it is decided in `recorder.api`."""

from __future__ import annotations

import difflib
import functools
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import orjson

from recorder import drafts, jobs, joining
from recorder.captures import Captures, ConflictError, Subject, check_slug
from recorder.core import Recorder, Request
from recorder.log import LOG_NAME
from recorder.manifest import Capture
from recorder.recent import newest
from recorder.replay import lines_of, page_in_time
from recorder.runs import Run
from recorder.workers import is_scheduled, listening

__all__ = ["Answer", "Call", "Refusal", "emit", "sentence", "split"]

LONGEST_WAIT = 25.0  # seconds; gunicorn ends a worker that is silent for 30
WAITERS = threading.BoundedSemaphore(4)  # long polls at once; a further one is answered at once
PAGE, LARGEST_PAGE = 200, 1000  # events
BATCH = 100  # events a page may report at once
RATE, BURST = 20.0, 200.0  # events a second, and at once, that one session may report
COUNTED = 256 << 20  # bytes of log that are read for the number of events in a capture


class Refusal(Exception):
    """A call that is not carried out; the message is the sentence that the caller reads."""

    def __init__(self, status: int, sentence: str, headers: list[tuple[str, str]] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = headers or []


@dataclass(slots=True)
class Answer:
    """What is sent: a JSON value, or bytes with a Content-Type among the headers."""

    status: int
    body: Any
    headers: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Call:
    """One call that may be made: by whom, with which parts of its path, and which fields in its query or body."""

    recorder: Recorder
    request: Request
    roles: frozenset[str]
    session: str | None
    parts: dict[str, str]
    fields: dict[str, Any]
    csrf: str | None

    @property
    def captures(self) -> Captures:
        """The deployment's captures."""
        found = self.recorder.captures
        assert isinstance(found, Captures)
        return found

    def text(self, name: str) -> str | None:
        """Return a field that is text, or None. Raises Refusal for anything else."""
        value = self.fields.get(name)
        if value is not None and not (isinstance(value, str) and len(value) <= 4096):
            raise Refusal(422, f"{name} must be text of at most 4096 characters.")
        return value

    def only(self, *names: str) -> None:
        """Raise Refusal for a field that has no meaning here, naming the nearest that has."""
        for name in self.fields:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
                meant = f"; did you mean {near[0]!r}?" if near else ""
                raise Refusal(422, f"{name!r} is not known{meant} (valid: {', '.join(names)}).")

    def subject(self) -> Subject:
        """Return the run that `run_id` (with `config`) or `path` (of a page) names, and the caller's session.

        The run of a page counts only where it has a directory; a run that is named is taken at its word.
        """
        run_id, run = self.text("run_id"), self.run()
        if run_id is not None:
            known = run.directory if run is not None and run.run_id == run_id else None
            found = known or self.recorder.runs.directory(run_id, self.text("config"))
            return Subject(run_id, self.session, found)
        if run is not None and self.text("path") and run.directory is not None and run.directory.is_dir():
            return Subject(run.run_id, self.session, run.directory)
        return Subject(None, self.session)

    def run(self) -> Run | None:
        """Return the run that the calling page belongs to: that of `path`, else of the Referer."""
        path = self.text("path") or split(self.request.header("referer")).path
        return self.recorder.run_of(path) if path else None


# Status and captures


def status(call: Call) -> Answer:
    """GET status: what is being captured of the caller; without a role only whether."""
    call.only("run_id", "path", "config")
    subject = call.subject()
    capture = call.captures.current(subject)
    answer = {
        "state": capture["state"] if capture else "idle",
        "environment": call.recorder.settings.environment,
    }
    if not call.roles:
        return Answer(200, answer)
    more = {
        "run_id": subject.run_id,  # of the page that asks
        "capture": _shown(call, capture) if capture else None,
        "events": call.recorder.written,  # records that this process has written since it began, of any capture
        "lost": call.recorder.lost,
        "losses": call.recorder.losses,
        "space": _space(call.recorder),
        "roles": sorted(call.roles),
        "csrf": call.csrf,
    }
    return Answer(200, answer | more)


def _space(recorder: Recorder) -> dict[str, int]:
    """Bytes used and free beside their limits, of the log in RECORDER_ROOT; empty without limits."""
    space = recorder.space(recorder.root_logs)
    return space.status() if space is not None else {}


def start(call: Call) -> Answer:
    """POST captures/start: open a capture."""
    call.only("slug", "notes", "run_id", "scope", "path", "config")
    slug = call.text("slug")
    if not slug:
        raise Refusal(422, "A capture needs a slug, such as 'us-small-watershed'.")
    scope: Any = call.text("scope")
    try:
        capture = call.captures.start(slug, call.subject(), scope, call.text("notes") or "")
    except ConflictError as error:
        raise Refusal(409, str(error)) from None
    except LookupError as error:
        raise Refusal(404, sentence(error)) from None
    except ValueError as error:
        raise Refusal(422, str(error)) from None
    return Answer(201, _shown(call, capture))


def end(call: Call) -> Answer:
    """POST captures/end: close a capture; the assembler makes a draft of it."""
    capture = _change(call, call.captures.end)
    draft = drafts.folder(Path(), capture["slug"]).as_posix()
    more = {"events": _count(call.captures, capture), "draft": draft}
    if "audit" in call.roles:  # who may read the log finds it there, too
        more["recorder_root"] = str(call.recorder.settings.root)
    return Answer(200, _shown(call, capture) | more)


def pause(call: Call) -> Answer:
    """POST captures/pause: what comes until it is resumed does not belong to the capture."""
    return Answer(200, _shown(call, _change(call, call.captures.pause)))


def resume(call: Call) -> Answer:
    """POST captures/resume: go on with a paused capture."""
    return Answer(200, _shown(call, _change(call, call.captures.resume)))


def discard(call: Call) -> Answer:
    """POST captures/discard: close a capture of which no draft is wanted."""
    return Answer(200, _shown(call, _change(call, call.captures.discard)))


def captures(call: Call) -> Answer:
    """GET captures: those of a run, or all."""
    call.only("run_id", "path", "config")
    return Answer(200, {"captures": [_shown(call, capture) for capture in call.captures.list(call.subject())]})


def _change(call: Call, change: Callable[[Subject, str | None, str | None], Capture]) -> Capture:
    call.only("capture_id", "notes", "run_id", "path", "config")
    try:
        return change(call.subject(), call.text("capture_id"), call.text("notes"))
    except LookupError as error:
        raise Refusal(404, sentence(error)) from None


def _shown(call: Call, capture: Capture) -> dict[str, Any]:
    """The capture without the session of somebody else: it is the value of a cookie."""
    return {**capture, "session": capture["session"] if capture["session"] == call.session else None}


def _count(captures: Captures, capture: Capture) -> int:
    """How many records belong to a capture, in all the logs of the deployment (in the first 256 MiB of them)."""
    needle, count, left = f'"{capture["capture_id"]}"'.encode(), 0, COUNTED
    for log_dir in captures.log_dirs():
        for line in lines_of(log_dir / LOG_NAME):
            left -= len(line)
            at = line.rfind(b'"capture_ids":[')
            count += at >= 0 and line.find(needle, at) > 0
            if left < 0:
                return count
    return count


# Events


def report(call: Call) -> Answer:
    """POST events: what a page noticed; each becomes a `system_log` record of kind `browser`."""
    call.only("events", "path")
    reported = call.fields.get("events")
    if not isinstance(reported, list) or not all(isinstance(each, dict) and _kind_of(each) for each in reported):
        raise Refusal(422, "events must be a list of objects, each with a kind of at most 64 characters.")
    if len(reported) > BATCH:
        raise Refusal(413, f"A batch may hold {BATCH} events; this one holds {len(reported)}.")
    try:
        texts = [orjson.dumps(each).decode() for each in reported]
    except TypeError as error:  # nested deeper than can be written
        raise Refusal(422, f"events cannot be stored: {error}.") from None
    wait = _BUCKETS.take(call.session or "token", len(reported))
    if wait > 0:
        raise Refusal(429, f"Too many events; send the next in {wait:.1f} s.", [("Retry-After", str(int(wait) + 1))])
    run = call.run()
    subject = (run.run_id, call.session, run.directory) if run else (None, call.session)
    capture_ids, redactor = call.captures.covering(*subject), call.recorder.redactor()
    logs, requests = [call.recorder.log_dir(run), call.recorder.root_logs], [joining.named(each) for each in reported]
    operations = joining.operations(logs, {name for name in requests if name is not None})
    for each, request in zip(texts, requests, strict=True):
        text, _ = redactor.render(redactor.scan(each, "json"))
        operation = operations.get(request) if request is not None else None
        payload = {"kind": "browser", "reported": orjson.loads(text), "operation_id": operation}
        emit(call, payload, call.recorder.log_dir(run), capture_ids, run.context if run else None)
    return Answer(202, {"stored": len(reported)})


def events(call: Call) -> Answer:
    """GET events?after=&limit=&wait=&last=: a page of a run's audit log, or of the root's; as it is on disk, which is redacted.

    With `wait`, where nothing follows yet: as soon as something does, or after so many seconds (25 at most). With `last`:
    that many of the newest.
    """
    call.only("after", "last", "limit", "wait", "run_id", "path", "config")
    subject, after = call.subject(), call.text("after")
    log_dir = subject.directory / "_logs" if subject.directory else call.recorder.root_logs
    if subject.run_id is not None and (subject.directory is None or not subject.directory.is_dir()):
        raise Refusal(404, f"There is no run {subject.run_id!r}.")
    if "last" in call.fields:
        count = _number(call, "last", PAGE, 1, LARGEST_PAGE)
        return Answer(200, {"events": [_seen_by(call, event) for event in newest(log_dir / LOG_NAME, count)]})
    limit = _number(call, "limit", PAGE, 1, LARGEST_PAGE)
    seconds = min(_number(call, "wait", 0.0, 0.0, 3600.0), LONGEST_WAIT)
    waiting = seconds > 0 and WAITERS.acquire(blocking=False)
    try:
        found, follows = page_in_time(log_dir / LOG_NAME, after, limit, seconds if waiting else 0)
    except LookupError as error:
        raise Refusal(404, sentence(error)) from None
    finally:
        if waiting:
            WAITERS.release()
    return Answer(200, {"events": [_seen_by(call, event) for event in found], "next": follows})


def _seen_by(call: Call, event: dict[str, Any]) -> dict[str, Any]:
    """An event without the session of somebody else: it is the value of a cookie."""
    session = event.get("session")
    if session and session.get("recorder_session") not in (None, call.session):
        session["recorder_session"] = None
    return event


def _kind_of(event: dict[str, Any]) -> bool:
    return isinstance(event.get("kind"), str) and 0 < len(event["kind"]) <= 64


def emit(
    call: Call,
    payload: dict[str, Any],
    log_dir: Path,
    capture_ids: Iterable[str],
    run_context: dict[str, str | None] | None = None,
) -> None:
    session = call.recorder.session(dict(call.request.headers), call.request.native)
    call.recorder.emit(
        "system_log",
        None,
        payload,
        log_dir=log_dir,
        capture_ids=capture_ids,
        session=session,
        run_context=run_context,
    )


class _Buckets:
    """A token bucket for each session."""

    def __init__(self) -> None:
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, session: str, count: int) -> float:
        """Take so many tokens; return 0, or in how many seconds there will be enough."""
        with self._lock:
            moment = time.monotonic()
            level, since = self._levels.pop(session, (BURST, moment))
            level = min(BURST, level + (moment - since) * RATE)
            enough = level >= count
            self._levels[session] = (level - count if enough else level, moment)
            if len(self._levels) > 10_000:
                self._levels.popitem(last=False)
            return 0.0 if enough else (count - level) / RATE


_BUCKETS = _Buckets()


# Jobs, drafts


def job(call: Call) -> Answer:
    """GET jobs/{job_id}?wait=: the job's tree; with `wait`, once it has ended or after so many seconds (25 at most)."""
    call.only("wait")
    job_id, seconds = call.parts["job_id"], _number(call, "wait", 0.0, 0.0, 3600.0)
    connections = _connections()
    waiting = seconds > 0 and WAITERS.acquire(blocking=False)
    try:
        for connection in connections:
            if connection.exists(f"rq:job:{job_id}", jobs.children_key(job_id)):
                found = jobs.wait(job_id, connection, min(seconds, LONGEST_WAIT) if waiting else 0)
                more = {"aggregate": jobs.aggregate(found), "settled": jobs.is_settled(found)}
                return Answer(200, _without_secrets(call.recorder, found) | more)
    except Exception as error:
        if type(error).__module__ != "redis.exceptions":
            raise
        raise Refusal(503, f"Redis does not answer: {error}.") from None
    finally:
        if waiting:
            WAITERS.release()
    raise Refusal(404, f"Redis holds no job {job_id!r}: it has expired, was deleted, or never was.")


def workers(call: Call) -> Answer:
    """GET workers: the queues on which living RQ workers listen, and those of them that a scheduler serves."""
    connections = _connections()
    queues, scheduled = set[str](), set[str]()
    try:
        for connection in connections:
            found = listening(connection)
            queues |= found
            scheduled |= {queue for queue in found if is_scheduled(queue, connection)}
    except Exception as error:
        if type(error).__module__ != "redis.exceptions":
            raise
        raise Refusal(503, f"Redis does not answer: {error}.") from None
    return Answer(200, {"queues": sorted(queues), "scheduled": sorted(scheduled)})


def _without_secrets(recorder: Recorder, found: jobs.Tree) -> jobs.Tree:
    """A tree as the log would tell it: results and tracebacks hold what the application put there."""
    redactor = recorder.redactor()
    tree: jobs.Tree = orjson.loads(redactor.render(redactor.scan(orjson.dumps(found).decode(), "json"))[0])
    return tree


def _connections() -> list[Any]:
    """The Redis clients that jobs were enqueued on, the newest first; before any was, the one of REDIS_URL.
    Raises Refusal when there is none."""
    hooked = sys.modules.get("recorder.rq")
    known = list(reversed(hooked.connections)) if hooked is not None else []
    url = os.environ.get("REDIS_URL")
    if not known and not url:
        raise Refusal(503, "No Redis is known: no job was enqueued by this process yet, and REDIS_URL is not set.")
    return known or [_redis(url)]


@functools.lru_cache(4)
def _redis(url: str) -> Any:
    from redis import Redis

    return Redis.from_url(url)


def export(call: Call) -> Answer:
    """GET drafts/{slug}/export: the draft as a zip archive."""
    slug = call.parts["slug"]
    try:
        check_slug(slug)
        packed = drafts.export(call.recorder.settings.data_root, slug)
    except ValueError as error:
        raise Refusal(422, str(error)) from None
    if packed is not None:
        name = ("Content-Disposition", f'attachment; filename="{slug}.zip"')
        return Answer(200, packed, [("Content-Type", "application/zip"), name])
    if any(capture["slug"] == slug and capture["state"] != "discarded" for capture in call.captures.list()):
        return Answer(202, {"state": "assembling"})
    raise Refusal(404, f"There is no draft {slug!r}.")


def _number(call: Call, name: str, default: Any, least: Any, most: Any) -> Any:
    text = call.text(name)
    if text is None:
        return default
    try:
        value = type(default)(text)
    except ValueError:
        value = None
    if value is None or not least <= value <= most:
        raise Refusal(422, f"{name}={text!r} is not a number from {least:g} to {most:g}.")
    return value


def split(url: str | None) -> SplitResult:
    """Return the parts of a URL that somebody sent; of none when it is malformed."""
    try:
        return urlsplit(url or "")
    except ValueError:
        return urlsplit("")


def sentence(error: LookupError) -> str:
    return str(error.args[0]) if error.args else str(error)
