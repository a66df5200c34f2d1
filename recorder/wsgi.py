"""The recorder for WSGI applications (PEP 3333).

What the application returns is returned: a list stays that list, a file wrapper that file wrapper; only a lazy iterable
is wrapped, and hands on each piece as it comes.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import quote_from_bytes, unquote_to_bytes

from recorder.core import (
    MARK,
    MAX_API_BODY,
    Exchange,
    Headers,
    LogUnavailableError,
    Recorder,
    Request,
    Response,
    get_recorder,
    refusal,
    too_large,
)
from recorder.injection import WsgiPage
from recorder.settings import Settings

__all__ = ["RecorderMiddleware"]

Environ: TypeAlias = dict[str, Any]
Write: TypeAlias = Callable[[bytes], object]
StartResponse: TypeAlias = Callable[..., Write]
App: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]

_PIECE = 256 << 10


class RecorderMiddleware:
    """Records the requests of a WSGI application; websockets pass it by, and a note is left of them.

    Settings come from `RECORDER_*` when not given. Raises ValueError for settings that cannot be meant.
    """

    def __init__(self, app: App, settings: Settings | None = None) -> None:
        self.app = app
        self.recorder: Recorder = get_recorder(settings)
        self._prefix = self.recorder.settings.prefix
        self._enabled = self.recorder.settings.enabled
        self._toolbar = self.recorder.settings.toolbar
        if self._enabled:
            self.recorder.attach()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if not self._enabled or MARK in environ:
            return self.app(environ, start_response)
        recorder = self.recorder
        inner: str = environ.get("PATH_INFO", "")
        if inner.startswith(self._prefix) and inner[len(self._prefix) :][:1] in ("", "/"):
            return _respond(start_response, _api(recorder, inner[len(self._prefix) :] or "/", environ))
        path = _raw_path(environ)
        if environ.get("HTTP_UPGRADE", "").strip().lower() == "websocket":
            # What follows on the connection is no answer: the application takes the socket for itself.
            recorder.passes_by(path, _headers(environ), environ)
            environ[MARK] = True
            return self.app(environ, start_response)
        if recorder.has_runs and (waits_for := recorder.waits_for(path)) is not None:
            recorder.wait_ready(waits_for)
        try:
            exchange = recorder.begin(
                environ.get("REQUEST_METHOD", ""),
                environ.get("wsgi.url_scheme", "http"),
                path,
                environ.get("QUERY_STRING", ""),
                _headers(environ),
                environ.get("SERVER_PROTOCOL", "HTTP/1.1").removeprefix("HTTP/"),
                environ,
            )
        except LogUnavailableError as error:
            return _respond(start_response, refusal(error))
        environ.pop("HTTP_X_RECORDER_REQUEST", None)
        environ[MARK] = True
        page = WsgiPage.of(environ, start_response, self._prefix) if self._toolbar and not exchange.announced else None
        responder = _Responder(exchange, environ, page.start_response if page is not None else start_response)
        try:
            result = responder.answer(self.app(environ, responder.start_response))
            return page.answer(result) if page is not None else result
        except BaseException as error:
            exchange.fail(error)
            exchange.leave()
            raise


class _Responder:
    """One request's `start_response`, input and result."""

    def __init__(self, exchange: Exchange, environ: Environ, start_response: StartResponse) -> None:
        self._exchange = exchange
        self._start_response = start_response
        self._started = False
        self._length: int | None = None
        self._wrapper = environ.get("wsgi.file_wrapper")
        self._wrapped: list[tuple[object, object]] = []
        sends = environ.get("CONTENT_LENGTH", "0") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in environ
        if sends and "wsgi.input" in environ:
            environ["wsgi.input"] = _Input(environ["wsgi.input"], exchange)
        if self._wrapper is not None and not isinstance(self._wrapper, type):
            environ["wsgi.file_wrapper"] = self._wrap_file  # a function's results cannot be told by their class

    def start_response(self, status: str, headers: list[tuple[str, str]], *exc_info: Any, **named: Any) -> Write:
        write = self._start_response(status, headers, *exc_info, **named)
        try:
            number = int(status[:3]) if status[:3].isdecimal() else 0
            fields = [(name.lower(), value) for name, value in headers]
        except (AttributeError, TypeError, ValueError):  # not as PEP 3333 says, and the server took it
            number, fields = 0, []
        self._exchange.response_start(number, fields)
        self._started = True

        def tee(data: bytes) -> object:
            self._exchange.response_chunk(data)
            return write(data)

        return tee

    def answer(self, result: Iterable[bytes]) -> Iterable[bytes]:
        """Return what the server gets: the application's own object wherever possible."""
        exchange = self._exchange
        if self._started and type(result) in (list, tuple):
            exchange.response_pieces(iter(result))
            exchange.leave()
            return result
        file = self._file_in(result)
        if file is not None and self._started:
            _read_again(exchange, file)
            exchange.leave()
            return result
        return _SizedAnswer(result, exchange) if hasattr(result, "__len__") else _Answer(result, exchange)

    def _wrap_file(self, file: object, *block_size: int) -> object:
        assert self._wrapper is not None
        result = self._wrapper(file, *block_size)
        self._wrapped.append((result, file))
        return result

    def _file_in(self, result: object) -> Any:
        """Return the file inside a result that the server sends by itself, or None."""
        if isinstance(self._wrapper, type):
            if isinstance(result, self._wrapper):
                return getattr(result, "filelike", None) or getattr(result, "file", None) or result
            return None
        return next((file for wrapped, file in self._wrapped if wrapped is result), None)


class _Answer:
    """A lazy result on its way to the server, piece by piece."""

    def __init__(self, result: Iterable[bytes], exchange: Exchange) -> None:
        self._result = result
        self._exchange = exchange
        self._iterator: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        if self._iterator is None:
            self._iterator = iter(self._result)
        return self

    def __next__(self) -> bytes:
        if self._iterator is None:
            self._iterator = iter(self._result)
        try:
            piece = next(self._iterator)
        except StopIteration:
            self._exchange.response_chunk(b"", last=True)
            self._exchange.leave()
            raise
        except BaseException as error:
            self._exchange.fail(error)
            self._exchange.leave()
            raise
        self._exchange.response_chunk(piece)
        return piece

    def close(self) -> None:
        """Called by the server when it is done, or when the client has left."""
        try:
            close = getattr(self._result, "close", None)
            if close is not None:
                close()
        finally:
            if not self._exchange.over:
                self._exchange.disconnect()
                self._exchange.finish()
            self._exchange.leave()


class _SizedAnswer(_Answer):
    """One whose length is known: servers make a Content-Length of it."""

    def __len__(self) -> int:
        return len(self._result)  # type: ignore[arg-type]


class _Input:
    """`wsgi.input`, told what the application reads. What is read again after a `seek` is told once."""

    def __init__(self, stream: Any, exchange: Exchange) -> None:
        self._stream = stream
        self._exchange = exchange
        self._position = 0
        self._seen = 0

    def _tell(self, data: bytes) -> bytes:
        self._position += len(data)
        new = self._position - self._seen
        if new > 0:
            self._seen = self._position
            self._exchange.request_chunk(data[-new:])
        return data

    def read(self, *size: int) -> bytes:
        return self._tell(self._stream.read(*size))

    def readline(self, *size: int) -> bytes:
        return self._tell(self._stream.readline(*size))

    def readlines(self, *hint: int) -> list[bytes]:
        lines: list[bytes] = self._stream.readlines(*hint)
        self._tell(b"".join(lines))
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return map(self._tell, iter(self._stream))

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._stream, name)
        if name in ("read1", "readall"):
            return lambda *size: self._tell(attribute(*size))
        if name in ("readinto", "readinto1"):
            return lambda buffer: self._filled(buffer, attribute(buffer))
        if name == "seek":
            return lambda *place: self._moved(attribute(*place))
        return attribute

    def _filled(self, buffer: Any, count: int | None) -> int | None:
        if count:
            self._tell(bytes(memoryview(buffer).cast("B")[:count]))
        return count

    def _moved(self, result: Any) -> Any:
        self._position = self._stream.tell()
        return result


class _Names(dict[str, str]):
    """The name of the header field under each key of an environ; empty where it is none."""

    MOST = 2048

    def __missing__(self, key: str) -> str:
        name = key[5:].replace("_", "-").lower() if key.startswith("HTTP_") else ""
        if len(self) >= self.MOST:  # of clients that invent names
            self.clear()
        self[key] = name
        return name


_names = _Names()


def _headers(environ: Environ) -> Headers:
    headers = [(name, value) for key, value in environ.items() if (name := _names[key])]
    if environ.get("CONTENT_TYPE"):
        headers.append(("content-type", environ["CONTENT_TYPE"]))
    if environ.get("CONTENT_LENGTH"):
        headers.append(("content-length", environ["CONTENT_LENGTH"]))
    return headers


def _raw_path(environ: Environ) -> str:
    """Return the path as it was sent if the server says (REQUEST_URI, RAW_URI), else what it must have been."""
    decoded = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    raw: str = (environ.get("REQUEST_URI") or environ.get("RAW_URI") or "").partition("?")[0]
    if raw == decoded and _PLAIN.fullmatch(raw):
        return raw
    path = decoded.encode("latin-1", "replace")
    if not raw.startswith("/"):
        raw = "/" + raw.partition("://")[2].partition("/")[2]
    raw = raw.partition("#")[0]
    if raw.isascii() and unquote_to_bytes(raw) == path:
        return raw
    return quote_from_bytes(path, safe="/!$&'()*+,;=:@~-._") or "/"


_PLAIN = re.compile(r"/[A-Za-z0-9/._-]*")  # a path in which nothing is encoded


def _read_again(exchange: Exchange, file: Any) -> None:
    """Read a file that the server will send by itself, and leave it where it was."""
    try:
        exchange.response_pieces(_pieces(file))
    except Exception:  # a file-like object may be anything
        exchange.response_omitted("unavailable")


def _pieces(file: Any) -> Iterator[bytes]:
    position = file.tell()
    try:
        descriptor = file.fileno()
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
    except (AttributeError, OSError):
        regular = False
    if regular:
        while piece := os.pread(descriptor, _PIECE, position):
            position += len(piece)
            yield piece
        return
    try:
        while piece := file.read(_PIECE):
            yield piece
    finally:
        file.seek(position)


def _api(recorder: Recorder, below: str, environ: Environ) -> Response:
    """Answer a call of the recorder's own API."""
    length = environ.get("CONTENT_LENGTH") or "0"
    size = int(length) if length.isdigit() else 0
    if size > MAX_API_BODY:
        return too_large()
    body: bytes = environ["wsgi.input"].read(size) if size else b""
    request = Request(
        environ.get("REQUEST_METHOD", ""),
        below.encode("latin-1", "replace").decode("utf-8", "replace"),
        environ.get("QUERY_STRING", ""),
        _headers(environ),
        body,
        environ.get("wsgi.url_scheme", "http"),
        environ.get("REMOTE_ADDR"),
        environ,
    )
    return recorder.respond(request)


def _respond(start_response: StartResponse, response: Response) -> Iterable[bytes]:
    status, headers, body = response
    start_response(f"{status} {HTTPStatus(status).phrase}", headers)
    return [body]
