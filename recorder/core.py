"""The recorder itself, free of any framework: one `Recorder`, and one `Exchange` a request.

The middlewares in `recorder.asgi` and `recorder.wsgi` only translate. A fault of ours is logged, counted in
`Recorder.lost`, and never raised into the host; the one exception that callers see is `LogUnavailableError`, in strict
mode, before the application's own code has run.
"""

from __future__ import annotations

import base64
import importlib
import logging
import os
import re
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import Token
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias
from urllib.parse import unquote

import orjson

from recorder.bodies import Body, BodyTee, Omission, Store
from recorder.events import (
    Category,
    Event,
    Operation,
    RunContext,
    Session,
    Stage,
    clean_text,
    current_operation,
    envelope,
)
from recorder.log import Writer
from recorder.names import Names
from recorder.pseudonyms import Pseudonyms
from recorder.redaction import Redactor
from recorder.runs import Run, Runs
from recorder.settings import Native, Settings

__all__ = [
    "CaptureWindows",
    "Exchange",
    "Headers",
    "LogUnavailableError",
    "Recorder",
    "Request",
    "Response",
    "get_recorder",
]

logger = logging.getLogger("recorder")

Headers: TypeAlias = Sequence[tuple[str, str]]
"""Header fields in wire order; names in lower case, values decoded as latin-1."""


MARK = "recorder.exchange"  # in environ or scope: this request is being recorded
MAX_API_BODY = 64 << 10


class LogUnavailableError(RuntimeError):
    """Strict mode: the audit log cannot be written, so the request is refused before the application sees it."""


class CaptureWindows(Protocol):
    """What the core asks of `recorder.captures.Captures`."""

    def covering(self, run_id: str | None, session: str | None, directory: Path | None = None) -> Sequence[str]:
        """Return the ids of the open captures that cover a request, without blocking."""

    def preparing(self, run_id: str | None, directory: Path | None = None) -> bool:
        """Return whether the run's directory is being snapshotted now, without blocking."""

    def wait_ready(self, run_id: str | None) -> None:
        """Block until it is done, 10 s at most."""


@dataclass(frozen=True, slots=True)
class Request:
    """A call of the recorder's own API: what `recorder.api.respond(recorder, request)` is given."""

    method: str
    path: str  # below the prefix, percent-decoded, beginning with "/"
    query: str  # raw, without "?"
    headers: Headers
    body: bytes = b""
    scheme: str = "http"
    client: str | None = None
    native: Native = field(default_factory=dict)  # the WSGI environ or ASGI scope, for Settings.roles and .user

    def header(self, name: str) -> str | None:
        """Return the first value of a header (name in lower case), or None."""
        return next((value for key, value in self.headers if key == name), None)


Response: TypeAlias = tuple[int, list[tuple[str, str]], bytes]
"""What `recorder.api.respond` returns: status, headers, body."""


class Recorder:
    """One process's recorder. Make it with `get_recorder`; everything below is safe to call from any thread."""

    def __init__(self, settings: Settings, captures: CaptureWindows | None = None) -> None:
        self.settings = settings
        self.runs = Runs(settings)
        self.root_logs = settings.root / "_logs"
        self.faults = 0
        self._captures = captures
        self._names = Names(settings.redact)
        self._pseudonyms: Pseudonyms | None = None
        self._writers: dict[Path, Writer] = {}
        self._lock = threading.RLock()

    @property
    def captures(self) -> CaptureWindows:
        """The capture windows, made on first use."""
        if self._captures is None:
            from recorder.captures import Captures

            self._captures = Captures(self)
        return self._captures

    @property
    def lost(self) -> int:
        """How many records this process could not write, and faults of ours that cost something recorded."""
        return self.faults + sum(writer.lost for writer in list(self._writers.values()))

    def attach(self) -> None:
        """Begin in a process that serves an application: have RQ watched, and open what RECORDER_CAPTURE names."""
        watch_rq()
        if self.settings.capture is not None:
            try:
                _ = self.captures
            except Exception as error:
                self.fault("RECORDER_CAPTURE", error)

    def log_dir(self, run: Run | None) -> Path:
        """Return the `_logs` directory for a run: its own if the run's directory exists, else that of the root."""
        if run is not None and run.directory is not None and run.directory.is_dir():
            return run.directory / "_logs"
        return self.root_logs

    def writer(self, log_dir: Path, run: Run | None = None) -> Writer:
        """Return this process's writer for the log in a `_logs` directory."""
        writer = self._writers.get(log_dir)
        if writer is None or not writer.usable:
            with self._lock:
                writer = self._writers.get(log_dir)
                if writer is None or not writer.usable:
                    own = None if log_dir == self.root_logs else run or Run(log_dir.parent.name)
                    writer = Writer(log_dir, self.settings.root, own, fsync=self.settings.fsync)
                    self._writers[log_dir] = writer
        return writer

    @property
    def written(self) -> int:
        """How many records this process has written, to all logs."""
        return sum(writer.written for writer in list(self._writers.values()))

    @property
    def pseudonyms(self) -> Pseudonyms:
        """The deployment's pseudonyms. If its key can be neither read nor kept, they hold for this process only."""
        if self._pseudonyms is None:
            with self._lock:
                try:
                    self._pseudonyms = self._pseudonyms or Pseudonyms.of_settings(self.settings)
                except OSError as error:
                    self.fault("reading the key", error)
                    self._pseudonyms = Pseudonyms(os.urandom(32))
        return self._pseudonyms

    def redactor(self) -> Redactor:
        """Return a redactor for one exchange or job."""
        return Redactor(self._names, self.pseudonyms)

    def session(self, headers: Mapping[str, str], native: Native) -> Session:
        """Return an event's `session`: who asks, as far as headers (by name in lower case) and server say."""
        page = dict(_PAGE.findall(headers.get("x-recorder-request", "")))
        own = _SESSION_COOKIE.search(headers.get("cookie", ""))
        user = self.settings.user(native) if self.settings.user is not None else _user(headers, native)
        return {
            "recorder_session": own[1] if own is not None else None,
            "user": self.pseudonyms.digest(user) if user else None,
            "browser": headers.get("user-agent"),
            "viewport": page.get("viewport"),
            "theme": page.get("theme"),
        }

    def emit(
        self,
        category: Category,
        stage: Stage,
        payload: dict[str, Any],
        *,
        operation_id: str | None = None,
        parent_id: str | None = None,
        run_context: RunContext | None = None,
        session: Session | None = None,
        capture_ids: Iterable[str] = (),
        log_dir: Path | None = None,
    ) -> str:
        """Append one event (default: to the root's log) and return its `operation_id`."""
        event = envelope(
            category,
            stage,
            payload,
            operation_id=operation_id,
            parent_id=parent_id,
            session=session,
            run_context=run_context,
            capture_ids=list(capture_ids),
        )
        self.append(event, log_dir or self.root_logs)
        return str(event["operation_id"])

    def append(self, event: Event, log_dir: Path) -> bool:
        """Append an event to the log in `log_dir`, or to the root's when the run's directory has gone."""
        context = event["run_context"]
        run = Run(context["run_id"], context["config"]) if context else None
        if log_dir != self.root_logs and not log_dir.parent.is_dir():
            log_dir = self.root_logs
        return self.writer(log_dir, run).append(event)

    def fault(self, where: str, error: BaseException) -> None:
        """Log and count a fault of ours."""
        self.faults += 1
        logger.error("recorder: %s failed: %r", where, error, exc_info=error)

    def begin(
        self,
        method: str,
        scheme: str,
        path: str,
        query: str,
        headers: Headers,
        http_version: str,
        client: str | None = None,
        native: Native | None = None,
    ) -> Exchange:
        """Record a request's `started` and return the exchange that records the rest.

        Raises LogUnavailableError in strict mode when the record could not be written.
        """
        exchange = Exchange(self)
        try:
            exchange.begin(method, scheme, path, query, headers, http_version, client, native or {})
        except LogUnavailableError:
            raise
        except Exception as error:
            self.fault("begin", error)
            exchange.abandon()
            if self.settings.mode == "strict":
                raise LogUnavailableError("The recorder failed; it runs in strict mode.") from error
        return exchange

    def wait_ready(self, run_id: str) -> None:
        """Block until the run's directory has been snapshotted."""
        try:
            self.captures.wait_ready(run_id)
        except Exception as error:
            self.fault("wait_ready", error)

    def respond(self, request: Request) -> Response:
        """Answer a call of the recorder's own API."""
        try:
            response: Response = importlib.import_module("recorder.api").respond(self, request)
            return response
        except Exception as error:
            self.fault("respond", error)
            return _told(500, "The recorder failed; the log of the application says why.")

    def waits_for(self, path: str) -> str | None:
        """Return the id of the run that a raw path names, if its directory is being snapshotted and requests wait."""
        try:
            run = self.runs.of_path(path)
            return run.run_id if run is not None and self.captures.preparing(run.run_id, run.directory) else None
        except Exception as error:
            self.fault("waits_for", error)
            return None


class Exchange:
    """One request and its answer, told piece by piece. No method but `begin` raises.

    `bodiless` says, once the answer has started, that nothing will follow its headers.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.bodiless = False
        self._recorder = recorder
        self._over = False
        self._request: BodyTee | None = None
        self._declared: int | None = None
        self._response: BodyTee | None = None
        self._status: int | None = None
        self._headers: Headers = ()
        self._expected: int | None = None
        self._sent = 0
        self._token: Token[Operation | None] | None = None
        self._left = False

    def begin(
        self,
        method: str,
        scheme: str,
        path: str,
        query: str,
        headers: Headers,
        http_version: str,
        client: str | None,
        native: Native,
    ) -> None:
        """Write `started` and become the current operation."""
        self._clock = time.monotonic_ns()
        recorder = self._recorder
        self._run = run = recorder.runs.of_path(path)
        self._log_dir = recorder.log_dir(run)
        self._store = Store(self._log_dir, fsync=recorder.settings.fsync)
        self._redactor = redactor = recorder.redactor()
        redactor.public.update(unquote(path).split("/"))
        fields = dict(headers)
        if "cookie" in fields:  # HTTP/2 may send several
            fields["cookie"] = "; ".join(value for name, value in headers if name == "cookie")
        self._method = method
        self._session = session = recorder.session(fields, native)
        self._captures = tuple(recorder.captures.covering(*_subject(run, session)))
        redacted_query = redactor.query(query)
        redacted = redactor.headers(headers)
        payload = {
            "method": method,
            "scheme": scheme,
            "path": redactor.known(path),
            "query": redactor.known(redacted_query),
            "headers": redacted,
            "http_version": http_version,
        }
        event = self._event("started", payload)
        self._operation_id = event["operation_id"] = event["id"]
        if not recorder.append(event, self._log_dir) and recorder.settings.mode == "strict":
            raise LogUnavailableError(f"The audit log in {self._log_dir} cannot be written (RECORDER_MODE=strict).")
        self._declared = _length(fields.get("content-length"))
        self._request = self._tee(fields.get("content-type"), fields.get("content-encoding"))
        self._chunked = "transfer-encoding" in fields
        context = run.context if run is not None else None
        operation = Operation(self._operation_id, self._log_dir, context, session, self._captures, recorder)
        self._token = current_operation.set(operation)

    def leave(self) -> None:
        """End being the current operation: the application's code for this request has run."""
        if self._token is not None:
            with suppress(ValueError):  # another context: it ends with its own copy
                current_operation.reset(self._token)
            self._token = None

    def abandon(self) -> None:
        """Record nothing more."""
        self._over = True

    @property
    def over(self) -> bool:
        """Whether the last record of the exchange has been written."""
        return self._over

    def request_chunk(self, chunk: bytes) -> None:
        """Note a piece of the request's body that the application has read."""
        if not self._over and chunk and self._request is not None:
            try:
                self._request.feed(bytes(chunk))
            except Exception as error:
                self._recorder.fault("request_chunk", error)
                self._request.omit("write_failed")

    def response_start(self, status: int, headers: Headers) -> None:
        """Note the answer's status and headers; called again, it replaces them (WSGI's `exc_info`)."""
        if self._over:
            return
        try:
            fields = dict(headers)
            self._status = status
            self._headers = headers
            self._expected = _length(fields.get("content-length"))
            self.bodiless = self._method == "HEAD" or status in (204, 304) or status < 200 or self._expected == 0
            self._response = self._tee(fields.get("content-type"), fields.get("content-encoding"))
        except Exception as error:
            self._recorder.fault("response_start", error)

    def response_chunk(self, chunk: bytes, last: bool = False) -> None:
        """Note a piece of the answer before it is forwarded; writes `finished` when it completes the answer."""
        if self._over:
            return
        if chunk and self._response is not None and self._method != "HEAD":
            try:
                self._response.feed(bytes(chunk))
            except Exception as error:
                self._recorder.fault("response_chunk", error)
                self._response.omit("write_failed")
        self._sent += len(chunk)
        if last or self.bodiless or (self._expected is not None and self._sent >= self._expected):
            self.finish()

    def response_pieces(self, pieces: Iterator[bytes], last: bool = True) -> None:
        """Note pieces of the answer that are all at hand, up to its Content-Length. Raises what reading them raises."""
        if not self.bodiless and (self._expected or 0) > self._recorder.settings.max_body:
            self.response_omitted("too_large", self._expected or 0)
        while not self._over:
            piece = next(pieces, None)
            if piece is None:
                self.response_chunk(b"", last)
                return
            left = None if self._expected is None else max(0, self._expected - self._sent)
            self.response_chunk(piece if left is None else piece[:left])

    def response_omitted(self, reason: Omission, size: int = 0) -> None:
        """Note that the answer's body is not to be had, and finish."""
        if self._response is not None:
            self._response.omit(reason)
            self._response.size = size or self._expected or 0
        self.finish()

    def finish(self) -> None:
        """Write `finished`, unless the exchange has ended already; a client that has left makes it `failed`."""
        if self._left:
            self._end("failed", _DISCONNECTED)
        else:
            self._end("finished", None)

    def fail(self, error: BaseException) -> None:
        """Write `failed`: the application raised."""
        if not self._over:
            self._end("failed", _DISCONNECTED if self._left else _error(error))

    def leave_unfinished(self) -> None:
        """Write `failed` if the application returned without a complete answer."""
        if not self._over:
            if self._left:
                self.finish()
            else:
                self.fail(RuntimeError("The application returned without a complete answer."))

    def disconnect(self) -> None:
        """Note that the client left; unless the answer is complete, its last record will be `failed`."""
        self._left = True

    def _end(self, stage: Stage, error: dict[str, Any] | None) -> None:
        if self._over:
            return
        self._over = True
        recorder = self._recorder
        try:
            duration = (time.monotonic_ns() - self._clock) / 1e6
            if not self._log_dir.parent.is_dir():  # the request removed its run
                self._log_dir = recorder.root_logs
            bodies = [body for body in (self._request, self._response) if body is not None]
            for body in bodies:
                body.close()
            headers = self._redactor.headers(self._headers)
            request = self._describe_request()
            response = self._response.describe() if self._response is not None else None
            if response is not None and stage == "failed":
                response["truncated"] = True
            recorder.faults += sum(body.failed for body in bodies)
            for upload in self._request.uploads() if self._request is not None else ():
                event = self._event(None, upload, "file_upload")
                event["parent_id"] = self._operation_id
                recorder.append(event, self._log_dir)
            payload = {
                "request_body": request,
                "status": self._status,
                "headers": headers,
                "body": response,
                "duration_ms": round(duration, 3),
                "error": self._redacted(error),
            }
            event = self._event(stage, payload)
            event["operation_id"] = self._operation_id
            recorder.append(event, self._log_dir)
        except Exception as fault:
            recorder.fault("finish", fault)

    def _describe_request(self) -> Body | None:
        if self._request is None:
            return None
        if self._chunked and not self._request.size:
            return None
        return self._request.describe(self._declared)

    def _redacted(self, error: dict[str, Any] | None) -> dict[str, Any] | None:
        if error is None:
            return None
        render, scan = self._redactor.render, self._redactor.scan
        return {key: render(scan(clean_text(text), "text"))[0] for key, text in error.items()}

    def _event(self, stage: Stage, payload: dict[str, Any], category: Category = "http_request") -> Event:
        context = self._run.context if self._run is not None else None
        return envelope(
            category, stage, payload, session=self._session, run_context=context, capture_ids=self._captures
        )

    def _tee(self, media_type: str | None, encoding: str | None) -> BodyTee:
        return BodyTee(self._store, self._redactor, media_type, encoding, max_size=self._recorder.settings.max_body)


_DISCONNECTED = {
    "type": "ClientDisconnect",
    "message": "The client left before the answer was complete.",
    "traceback": "",
}


_PAGE = re.compile(r"(viewport|theme)=([\w.-]{1,40})")  # X-Recorder-Request: <id>; viewport=1280x720; theme=dark
_SESSION_COOKIE = re.compile(r"(?:^|;)\s*recorder_session=\"?([\w.-]{1,128})")


def _user(headers: Mapping[str, str], native: Native) -> str | None:
    """Who the server or Basic authentication says it is."""
    remote = native.get("REMOTE_USER")
    if isinstance(remote, str) and remote:
        return remote
    scheme, _, blob = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        with suppress(ValueError):
            return base64.b64decode(blob).partition(b":")[0].decode("utf-8", "replace") or None
    return None


def _error(error: BaseException) -> dict[str, Any]:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    frames = error.__traceback__
    while frames is not None and frames.tb_next and frames.tb_frame.f_globals.get("__package__") == "recorder":
        frames = frames.tb_next  # the application's own part is what is wanted
    text = "".join(traceback.format_exception(kind, error, frames, limit=-50))
    return {"type": name, "message": str(error), "traceback": text}


def _length(value: str | None) -> int | None:
    return int(value) if value is not None and value.strip().isascii() and value.strip().isdigit() else None


def _subject(run: Run | None, session: Session | None) -> tuple[str | None, str | None, Path | None]:
    own = session["recorder_session"] if session is not None else None
    return (run.run_id, own, run.directory) if run is not None else (None, own, None)


def refusal(error: LogUnavailableError) -> Response:
    """Return the answer to a request that strict mode refuses."""
    return _plain(503, f"This request was refused before it was handled: {error}\n")


def too_large() -> Response:
    """Return the answer to a call of the API whose body is beyond `MAX_API_BODY`."""
    return _told(413, f"A call of the recorder may bring {MAX_API_BODY >> 10} KiB; this one brings more.")


def _told(status: int, sentence: str) -> Response:
    body = orjson.dumps({"error": sentence}) + b"\n"
    headers = [("X-Recorder", "1"), ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    return status, headers, body


def _plain(status: int, text: str) -> Response:
    body = text.encode()
    return status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))], body


def watch_rq() -> None:
    """Have `recorder.rq` wrap RQ as soon as RQ is imported, or at once if it is."""
    import wrapt

    wrapt.register_post_import_hook(_import_rq_hook, "rq")


def _import_rq_hook(module: object) -> None:
    try:
        importlib.import_module("recorder.rq")
    except Exception as error:
        logger.error("recorder: jobs are not recorded: %r", error, exc_info=error)


_recorders: dict[Settings, Recorder] = {}
_recorders_lock = threading.Lock()


def get_recorder(settings: Settings | None = None) -> Recorder:
    """Return the process's recorder for these settings, made on first use.

    Without settings: the recorder of the request or job that is going on, else that of the environment; where the
    environment names no RECORDER_ROOT and the process has one recorder, whose settings came from code, that one.
    """
    with _recorders_lock:
        if settings is None:
            operation = current_operation.get()
            if operation is not None and operation.recorder is not None:
                return operation.recorder
            if len(_recorders) == 1 and "RECORDER_ROOT" not in os.environ:
                return next(iter(_recorders.values()))
            settings = Settings.from_env()
        if settings not in _recorders:
            _recorders[settings] = Recorder(settings)
        return _recorders[settings]
