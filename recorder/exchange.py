"""One request and its answer, from the first header to the last byte.

Whoever watches (a middleware) tells an `Exchange` what passes, piece by piece; it writes `started` and then `finished`
or `failed`. Nothing that goes wrong in here reaches the host.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextvars import Token
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from recorder.bodies import Body, BodyTee, Omission
from recorder.events import (
    Category,
    Event,
    Operation,
    Session,
    Stage,
    clean_text,
    current_operation,
    envelope,
)
from recorder.headers import Pair
from recorder.heads import Head
from recorder.runs import Run
from recorder.settings import Native
from recorder.store import Store

if TYPE_CHECKING:
    from recorder.core import Recorder

__all__ = ["Exchange", "Headers", "LogUnavailableError", "subject"]

Headers: TypeAlias = Sequence[tuple[str, str]]
"""Header fields in wire order; names in lower case, values decoded as latin-1."""


class LogUnavailableError(RuntimeError):
    """Strict mode: the audit log cannot be written, so the request is refused before the application sees it."""


class Exchange:
    """One request and its answer, told piece by piece. No method but `begin` raises.

    `bodiless` says, once the answer has started, that nothing will follow its headers; `announced`, that the request came
    with our own X-Recorder-Request, which the application is not to see.
    """

    bodiless = False
    announced = False
    _began = 0
    _method = ""
    _over = False
    _left = False
    _declared: int | None = None
    _chunked = False
    _expected: int | None = None
    _sent = 0
    _status: int | None = None
    _asked: Head
    _answered: Head | None = None
    _store: Store | None = None
    _request: BodyTee | None = None
    _response: BodyTee | None = None
    _token: Token[Operation | None] | None = None

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def begin(
        self,
        method: str,
        scheme: str,
        path: str,
        query: str,
        headers: Sequence[Pair],
        http_version: str,
        native: Native,
    ) -> None:
        """Write `started` and become the current operation. `headers` in wire order, as the server gave them."""
        recorder = self._recorder
        self._began = recorder.clock.mono_ns()
        self._method = method
        self._redactor = redactor = recorder.redactor(path)
        shown_query = redactor.query(query) if query else ""
        self._asked = head = redactor.head(headers)
        self.announced = "x-recorder-request" in head.values
        run = recorder.run_of(path) if recorder.has_runs else None
        self._context = context = run.context if run is not None else None
        self._log_dir = log_dir = recorder.root_logs if run is None else recorder.log_dir(run)
        self._session = session = recorder.session_of(head, native)
        self._captures = captures = tuple(recorder.captures.covering(*subject(run, session)))
        shown_path, shown_query, shown_fields = redactor.request(path, shown_query, head)
        payload = {
            "method": method,
            "scheme": scheme,
            "path": shown_path,
            "query": shown_query,
            "headers": shown_fields,
            "http_version": http_version,
        }
        event = envelope(
            "http_request",
            "started",
            payload,
            session=session,
            run_context=context,
            capture_ids=captures,
            clock=recorder.clock,
        )
        self._operation_id = operation_id = event["id"]
        if not recorder.append(event, log_dir) and recorder.settings.mode == "strict":
            raise LogUnavailableError(f"The audit log in {log_dir} cannot be written (RECORDER_MODE=strict).")
        self._declared = head.length
        self._chunked = "transfer-encoding" in head.values
        operation = Operation(operation_id, log_dir, context, session, captures, recorder)
        self._token = current_operation.set(operation)

    def leave(self) -> None:
        """End being the current operation: the application's code for this request has run."""
        if self._token is not None:
            try:  # noqa: SIM105  `suppress` costs as much as all of this
                current_operation.reset(self._token)
            except ValueError:
                pass  # another context: it ends with its own copy
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
        if not self._over and chunk:
            try:
                if self._request is None:
                    self._request = self._tee(self._asked)
                self._request.feed(bytes(chunk))
            except Exception as error:
                self._recorder.fault("request_chunk", error)
                self.request_omitted("write_failed", self._request.size if self._request is not None else 0)

    def request_omitted(self, reason: Omission, size: int = 0) -> None:
        """Note that the request's body is not to be had; `size` is what was sent, in bytes."""
        if not self._over:
            if self._request is None:
                self._request = self._tee(self._asked)
            self._request.omit(reason)
            self._request.size = size

    def response_start(self, status: int, headers: Sequence[Pair]) -> None:
        """Note the answer's status and headers; called again, it replaces them (WSGI's `exc_info`)."""
        if self._over:
            return
        try:
            self._answered = head = self._redactor.head(headers)
            self._expected = expected = head.length
            self._status = status
            self._response = None
            self.bodiless = self._method == "HEAD" or status in _BODILESS or status < 200 or expected == 0
        except (TypeError, ValueError):
            pass  # not as the specification says: the server will tell
        except Exception as error:
            self._recorder.fault("response_start", error)

    def response_chunk(self, chunk: bytes, last: bool = False) -> None:
        """Note a piece of the answer before it is forwarded; writes `finished` when it completes the answer."""
        if self._over:
            return
        if chunk and self._answered is not None and self._method != "HEAD":
            try:
                if self._response is None:
                    self._response = self._tee(self._answered)
                self._response.feed(bytes(chunk))
            except Exception as error:
                self._recorder.fault("response_chunk", error)
                if self._response is not None:
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
        if self._answered is not None:
            self._response = self._response or self._tee(self._answered)
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
            duration = (recorder.clock.mono_ns() - self._began) / 1e6
            request, response, redactor = self._request, self._response, self._redactor
            if request is not None:
                request.close()
            if response is not None:
                response.close()
            told = {key: redactor.scan(clean_text(text), "text") for key, text in error.items()} if error else None
            payload: dict[str, Any] = {
                "request_body": self._describe_request(),
                "status": self._status,
                "headers": redactor.shown(self._answered) if self._answered is not None else [],
                "body": response.describe() if response is not None else None,
                "duration_ms": round(duration, 3),
                "error": {key: redactor.render(each)[0] for key, each in told.items()} if told else None,
            }
            if error is not None and payload["body"] is not None:
                payload["body"]["truncated"] = True
            if request is not None:
                recorder.faults += request.failed
                for upload in request.uploads():
                    recorder.append(self._consequence("file_upload", upload), self._log_dir)
            if response is not None:
                recorder.faults += response.failed
            event = envelope(
                "http_request",
                stage,
                payload,
                operation_id=self._operation_id,
                session=self._session,
                run_context=self._context,
                capture_ids=self._captures,
                clock=recorder.clock,
            )
            recorder.append(event, self._log_dir)
            if (request is not None and request.failed) or (response is not None and response.failed):
                self._tell_lost_bodies(sum(body.failed for body in (request, response) if body is not None))
        except Exception as fault:
            recorder.fault("finish", fault)

    def _tell_lost_bodies(self, count: int) -> None:
        payload = {"kind": "lost", "count": count, "reason": _UNSTORED}
        self._recorder.append(self._consequence("system_log", payload), self._log_dir)

    def _describe_request(self) -> Body | None:
        request = self._request
        if request is None:
            if not self._declared or self._chunked:
                return None
            request = self._tee(self._asked)
        elif self._chunked and not request.size:
            return None
        return request.describe(self._declared)

    def _consequence(self, category: Category, payload: dict[str, Any]) -> Event:
        return envelope(
            category,
            None,
            payload,
            parent_id=self._operation_id,
            session=self._session,
            run_context=self._context,
            capture_ids=self._captures,
            clock=self._recorder.clock,
        )

    def _tee(self, head: Head) -> BodyTee:
        recorder = self._recorder
        store = self._store
        if store is None:
            store = self._store = recorder.store(self._log_dir)
        values = head.values
        return BodyTee(
            store,
            self._redactor,
            values.get("content-type"),
            values.get("content-encoding"),
            max_size=recorder.settings.max_body,
        )


_BODILESS = (204, 304)
_UNSTORED = "bodies that could not be stored"
_DISCONNECTED = {
    "type": "ClientDisconnect",
    "message": "The client left before the answer was complete.",
    "traceback": "",
}


def _error(error: BaseException) -> dict[str, Any]:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    frames = error.__traceback__
    while frames is not None and frames.tb_next and frames.tb_frame.f_globals.get("__package__") == "recorder":
        frames = frames.tb_next  # the application's own part is what is wanted
    text = "".join(traceback.format_exception(kind, error, frames, limit=-50))
    return {"type": name, "message": str(error), "traceback": text}


def subject(run: Run | None, session: Session | None) -> tuple[str | None, str | None, Path | None]:
    """What decides which captures cover something: the id of its run, its recorder session, the run's directory."""
    own = session["recorder_session"] if session is not None else None
    return (run.run_id, own, run.directory) if run is not None else (None, own, None)
