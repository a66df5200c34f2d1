"""One request and its answer, from the first header to the last byte.

Whoever watches (a middleware) tells an `Exchange` what passes, piece by piece; it writes `started` and then `finished`
or `failed`. Nothing that goes wrong in here reaches the host.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from contextvars import Token
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

from recorder.bodies import Body, BodyTee, Omission, Store
from recorder.events import Category, Event, Operation, Session, Stage, clean_text, current_operation, envelope
from recorder.runs import Run
from recorder.settings import Native

if TYPE_CHECKING:
    from recorder.core import Recorder

__all__ = ["Exchange", "Headers", "LogUnavailableError", "subject"]

Headers: TypeAlias = Sequence[tuple[str, str]]
"""Header fields in wire order; names in lower case, values decoded as latin-1."""


class LogUnavailableError(RuntimeError):
    """Strict mode: the audit log cannot be written, so the request is refused before the application sees it."""


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
        recorder = self._recorder
        self._began = recorder.clock.mono_ns()
        self._run = run = recorder.run_of(path)
        self._log_dir = recorder.log_dir(run)
        self._store = Store(self._log_dir, fsync=recorder.settings.fsync, space=recorder.space(self._log_dir))
        self._redactor = redactor = recorder.redactor()
        redactor.public.update(unquote(path).split("/"))
        fields = dict(headers)
        if "cookie" in fields:  # HTTP/2 may send several
            fields["cookie"] = "; ".join(value for name, value in headers if name == "cookie")
        self._method = method
        self._session = session = recorder.session(fields, native)
        self._captures = tuple(recorder.captures.covering(*subject(run, session)))
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

    def request_omitted(self, reason: Omission, size: int = 0) -> None:
        """Note that the request's body is not to be had; `size` is what was sent, in bytes."""
        if not self._over and self._request is not None:
            self._request.omit(reason)
            self._request.size = size

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
            duration = (recorder.clock.mono_ns() - self._began) / 1e6
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
            failed = sum(body.failed for body in bodies)
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
            if failed:
                recorder.faults += failed
                lost = self._event(None, {"kind": "lost", "count": failed, "reason": _UNSTORED}, "system_log")
                recorder.append({**lost, "parent_id": self._operation_id}, self._log_dir)
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
            category,
            stage,
            payload,
            session=self._session,
            run_context=context,
            capture_ids=self._captures,
            clock=self._recorder.clock,
        )

    def _tee(self, media_type: str | None, encoding: str | None) -> BodyTee:
        return BodyTee(self._store, self._redactor, media_type, encoding, max_size=self._recorder.settings.max_body)


_LENGTH_DIGITS = 18
"""Of a Content-Length; no body is larger, and JSON's integers end soon after."""
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


def _length(value: str | None) -> int | None:
    digits = (value or "").strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _LENGTH_DIGITS else None


def subject(run: Run | None, session: Session | None) -> tuple[str | None, str | None, Path | None]:
    """What decides which captures cover something: the id of its run, its recorder session, the run's directory."""
    own = session["recorder_session"] if session is not None else None
    return (run.run_id, own, run.directory) if run is not None else (None, own, None)
