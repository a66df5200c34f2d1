"""The recorder itself, free of any framework: one `Recorder`, and one `Exchange` a request.

The middlewares in `recorder.asgi` and `recorder.wsgi` only translate. A fault of ours is logged, counted in
`Recorder.lost`, and never raised into the host; the one exception that callers see is `LogUnavailableError`, in strict
mode, before the application's own code has run.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import orjson

from recorder.events import CLOCK, Category, Clock, Event, RunContext, Session, Stage, current_operation, envelope
from recorder.exchange import Exchange, Headers, LogUnavailableError, subject
from recorder.headers import Fields, Pair
from recorder.heads import Head, Heads
from recorder.log import Writer
from recorder.names import Names
from recorder.pseudonyms import Pseudonyms
from recorder.redaction import Redactor
from recorder.runs import Run, Runs
from recorder.sealed import SealedWriter
from recorder.sessions import session_of
from recorder.settings import Native, Settings
from recorder.space import Space
from recorder.store import Store

if TYPE_CHECKING:
    from recorder.anonymize import Anonymizing
    from recorder.seal import Seal

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

MARK = "recorder.exchange"  # in environ or scope: this request is being recorded
MAX_API_BODY = 64 << 10
MAX_RUNS = 4096  # whose places are remembered


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

    def __init__(self, settings: Settings, captures: CaptureWindows | None = None, clock: Clock = CLOCK) -> None:
        self.settings = settings
        self.clock = clock
        self.runs = Runs(settings)
        self.has_runs = settings.run_pattern is not None or settings.resolver is not None
        self.root_logs = settings.root / "_logs"
        self.faults = 0
        self._captures = captures
        self._names = Names(settings.redact)
        self._pseudonyms: Pseudonyms | None = None
        self._root_writer: Writer | None = None
        """The one of `_writers` that nearly every record goes to."""
        self._writers: dict[Path, Writer] = {}
        self._spaces: dict[Path, Space] = {}
        self._stores: dict[Path, Store] = {}
        self._run_logs: dict[Path, Path] = {}
        self._seal: Seal | None = None
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
        if run is None or run.directory is None:
            return self.root_logs
        log_dir = self._run_logs.get(run.directory)
        if log_dir is None:
            log_dir = run.directory / "_logs"
            if len(self._run_logs) >= MAX_RUNS:
                self._run_logs.clear()
            self._run_logs[run.directory] = log_dir
        return log_dir if os.path.isdir(run.directory) else self.root_logs  # noqa: PTH112  a third of Path.is_dir

    def writer(self, log_dir: Path, run: Run | None = None) -> Writer:
        """Return this process's writer for the log in a `_logs` directory."""
        writer = self._writers.get(log_dir)
        if writer is None or not writer.usable:
            with self._lock:
                writer = self._writers.get(log_dir)
                if writer is None or not writer.usable:
                    own = None if log_dir == self.root_logs else run or Run(log_dir.parent.name)
                    writer = self._writers[log_dir] = self._new_writer(log_dir, own)
        return writer

    def _new_writer(self, log_dir: Path, run: Run | None) -> Writer:
        settings = self.settings
        seal = self._sealed()
        return (SealedWriter if seal is not None else Writer)(
            log_dir,
            settings.root,
            run,
            fsync=settings.fsync,
            strict=settings.mode == "strict",
            own_file=settings.log_per_process,
            seal=seal,
            space=self.space(log_dir),
        )

    def _sealed(self) -> Seal | None:
        """The deployment's seal. Without its key nothing can be sealed, which is told and keeps nothing from being logged."""
        if self.settings.seal is None:
            return None
        if self._seal is None:
            from recorder.seal import Seal

            try:
                self._seal = Seal.of_settings(self.settings)
            except OSError as error:
                self.fault("RECORDER_SEAL", error)
        return self._seal

    def space(self, log_dir: Path) -> Space | None:
        """Return what may still be written to a `_logs` directory; None where there is no limit."""
        settings = self.settings
        if not (settings.quota or settings.min_free):
            return None
        if log_dir not in self._spaces:
            self._spaces[log_dir] = Space(log_dir, settings.quota, settings.min_free)
        return self._spaces[log_dir]

    @property
    def losses(self) -> dict[str, int]:
        """How many records this process could not write, by why."""
        found: Counter[str] = Counter()
        for writer in list(self._writers.values()):
            found.update(writer.losses)
        return dict(found)

    def store(self, log_dir: Path) -> Store:
        """Return the store of bodies beside the log in a `_logs` directory."""
        store = self._stores.get(log_dir)
        if store is None:
            store = self._stores[log_dir] = Store(log_dir, fsync=self.settings.fsync, space=self.space(log_dir))
        return store

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

    @functools.cached_property
    def _heads(self) -> Heads:
        return Heads(Fields(self._names, self.pseudonyms))

    @functools.cached_property
    def _anonymizing(self) -> Anonymizing:
        from recorder.anonymize import Anonymizing

        return Anonymizing(self.settings, self._names, self.pseudonyms, self._heads)

    def redactor(self, path: str = "") -> Redactor:
        """Return a redactor for one job, or for the exchange with this raw path."""
        if self.settings.anonymize is not None:
            return self._anonymizing.redactor(path)
        return Redactor(self._names, self.pseudonyms, self._heads, path)

    def session(self, headers: Mapping[str, str], native: Native) -> Session:
        """Return an event's `session`: who asks, as far as headers (by name in lower case) and server say."""
        try:
            return session_of(headers, native, self.settings, self.pseudonyms)
        except Exception as error:
            self.fault("Settings.user", error)
            return session_of(headers, native, replace(self.settings, user=None), self.pseudonyms)

    def session_of(self, head: Head, native: Native) -> Session:
        """The same of a request, by its head. It is not to be changed: other requests with that head have it, too."""
        if self.settings.user is not None or "REMOTE_USER" in native:
            return self.session(head.values, native)
        if head.session is None:
            head.session = self.session(head.values, native)
        return head.session

    def run_of(self, path: str) -> Run | None:
        """Return the run that a raw request path names. The host's own callable may fail: then there is none."""
        try:
            return self.runs.of_path(path)
        except Exception as error:
            self.fault("Settings.resolver", error)
            return None

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
            clock=self.clock,
        )
        self.append(event, log_dir or self.root_logs)
        return str(event["operation_id"])

    def append(self, event: Event, log_dir: Path) -> bool:
        """Append an event to the log in `log_dir`, or to the root's when the run's directory has gone."""
        if log_dir is self.root_logs or log_dir == self.root_logs or not os.path.isdir(log_dir.parent):  # noqa: PTH112
            writer = self._root_writer
            if writer is None or not writer.usable:
                writer = self._root_writer = self.writer(self.root_logs)
            return writer.append(event)
        context = event["run_context"]
        run = Run(context["run_id"], context["config"]) if context else None
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
        headers: Sequence[Pair],
        http_version: str,
        native: Native | None = None,
    ) -> Exchange:
        """Record a request's `started` and return the exchange that records the rest.

        Raises LogUnavailableError in strict mode when the record could not be written.
        """
        exchange = Exchange(self)
        try:
            exchange.begin(method, scheme, path, query, headers, http_version, native or {})
        except LogUnavailableError:
            raise
        except Exception as error:
            self.fault("begin", error)
            exchange.abandon()
            if self.settings.mode == "strict":
                raise LogUnavailableError("The recorder failed; it runs in strict mode.") from error
        return exchange

    def passes_by(self, path: str, headers: Headers, native: Native) -> None:
        """Note that a websocket is opened, so that nobody takes a recording for whole that is not: what goes through it is
        not recorded. The path alone is told."""
        try:
            run = self.run_of(path)
            session = self.session(dict(headers), native)
            redactor = self.redactor()
            shown = redactor.known(redactor.path(path))
            message = f"The websocket {shown} was opened; what went through it is not recorded and is not replayed."
            self.emit(
                "system_log",
                None,
                {"kind": "note", "message": message, "websocket": shown},
                run_context=run.context if run is not None else None,
                session=session,
                capture_ids=self.captures.covering(*subject(run, session)),
                log_dir=self.log_dir(run),
            )
        except Exception as error:
            self.fault("passes_by", error)

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
            run = self.run_of(path)
            return run.run_id if run is not None and self.captures.preparing(run.run_id, run.directory) else None
        except Exception as error:
            self.fault("waits_for", error)
            return None


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
    global _latest
    if settings is None:
        operation = current_operation.get()
        if operation is not None and operation.recorder is not None:
            return operation.recorder
    with _recorders_lock:
        if settings is None:
            if len(_recorders) == 1 and "RECORDER_ROOT" not in os.environ:
                return next(iter(_recorders.values()))
            settings = _settings_of_environment()
        if _latest is None or _latest[0] is not settings:
            if settings not in _recorders:
                _recorders[settings] = Recorder(settings)
            _latest = settings, _recorders[settings]
        return _latest[1]


_latest: tuple[Settings, Recorder] | None = None
"""What was asked for last: the hash of settings takes longer than all the rest."""
_environment: tuple[tuple[str, Mapping[Any, Any]], Settings] | None = None
"""The working directory and the environment as they were read last, and what they said."""


def _settings_of_environment() -> Settings:
    """Return the settings of `RECORDER_*`; they are read again where anything has changed (jobs without a request ask)."""
    global _environment
    variables: Mapping[Any, Any] = getattr(os.environ, "_data", os.environ)  # without decoding each of them
    if _environment is None or _environment[0] != (os.getcwd(), variables):
        _environment = (os.getcwd(), dict(variables)), Settings.from_env()
    return _environment[1]
