"""The recorder itself, free of any framework: one `Recorder`, and one `Exchange` a request.

The middlewares in `recorder.asgi` and `recorder.wsgi` only translate. A fault of ours is logged, counted in
`Recorder.lost`, and never raised into the host; the one exception that callers see is `LogUnavailableError`, in strict mode,
before the application's own code has run.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeAlias

from recorder.events import (
    Category,
    Event,
    RunContext,
    Session,
    Stage,
    current_operation,
    envelope,
)
from recorder.log import Writer
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

P = ParamSpec("P")
logger = logging.getLogger("recorder")

Headers: TypeAlias = Sequence[tuple[str, str]]
"""Header fields in wire order; names in lower case, values decoded as latin-1."""


class LogUnavailableError(RuntimeError):
    """Strict mode: the audit log cannot be written, so the request is refused before the application sees it."""


class CaptureWindows(Protocol):
    """What the core asks of `recorder.captures.Captures`."""

    def covering(self, run_id: str | None, session: str | None) -> Sequence[str]:
        """Return the ids of the open captures that cover a request, without blocking."""

    def preparing(self, run_id: str | None) -> bool:
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

    def guard(self, call: Callable[P, None]) -> Callable[P, None]:
        """Return `call` with its faults logged and counted instead of raised."""

        @functools.wraps(call)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                call(*args, **kwargs)
            except Exception as error:
                self.fault(call.__name__, error)

        return guarded

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
        raise NotImplementedError


class Exchange:
    """One request and its answer, told piece by piece. No method raises."""

    def request_chunk(self, chunk: bytes) -> None:
        """Note a piece of the request's body that the application has read."""
        raise NotImplementedError

    def response_start(self, status: int, headers: Headers) -> None:
        """Note the answer's status and headers."""
        raise NotImplementedError

    def response_chunk(self, chunk: bytes, last: bool = False) -> None:
        """Note a piece of the answer before it is forwarded; writes `finished` when it completes the answer."""
        raise NotImplementedError

    def finish(self) -> None:
        """Write `finished`, unless the exchange has ended already."""
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        """Write `failed`: the application raised."""
        raise NotImplementedError

    def disconnect(self) -> None:
        """Write `failed`: the client left before the answer was complete."""
        raise NotImplementedError


_recorders: dict[Settings, Recorder] = {}
_recorders_lock = threading.Lock()


def get_recorder(settings: Settings | None = None) -> Recorder:
    """Return the process's recorder for these settings, made on first use.

    Without settings: the recorder of the request or job that is going on, else that of the environment.
    """
    if settings is None:
        operation = current_operation.get()
        if operation is not None and operation.recorder is not None:
            return operation.recorder
        settings = Settings.from_env()
    with _recorders_lock:
        return _recorders.setdefault(settings, Recorder(settings))
