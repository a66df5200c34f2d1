"""The recorder for ASGI applications (https://asgi.readthedocs.io/en/latest/specs/www.html).

Messages pass through unchanged and at once, in both directions; what is seen in passing is told to an `Exchange`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import suppress
from typing import Any, TypeAlias
from urllib.parse import quote

from recorder.commits import Commits, awaited, settle
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
from recorder.injection import AsgiPage
from recorder.settings import Settings

__all__ = ["RecorderMiddleware"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_PIECE = 256 << 10


class RecorderMiddleware:
    """Records the HTTP requests of an ASGI application; lifespan and websockets pass it by, of those a note is left.

    Settings come from `RECORDER_*` when not given. Settings that cannot be meant fail the startup of the application:
    Starlette makes its middlewares within the first call, where servers take an exception for an application without
    lifespan, go on, and answer every request with 500. Without a lifespan each call raises ValueError.
    """

    def __init__(self, app: App, settings: Settings | None = None) -> None:
        self.app = app
        self._bad_setting: str | None = None
        try:
            self.recorder: Recorder = get_recorder(settings)
        except ValueError as error:
            self._bad_setting = str(error)
            return
        self._prefix = self.recorder.settings.prefix
        self._enabled = self.recorder.settings.enabled
        self._toolbar = self.recorder.settings.toolbar
        self._fsync = self.recorder.settings.fsync
        if self._enabled:
            self.recorder.attach()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if self._bad_setting is not None:
            await _refuse_to_start(self._bad_setting, scope, receive, send)
            return
        kind = scope.get("type")
        if kind == "websocket" and self._enabled and "path" in scope:
            self.recorder.passes_by(_raw_path(scope), _headers(scope.get("headers", ())), scope)
        if kind != "http" or not self._enabled or MARK in scope:
            await self.app(scope, receive, send)
            return
        recorder = self.recorder
        if self._prefix in scope.get("path", "") and (below := _below(scope, self._prefix)) is not None:
            await _serve_api(recorder, below, scope, receive, send)
            return
        path = _raw_path(scope)
        if recorder.has_runs and (waits_for := recorder.waits_for(path)) is not None:
            await asyncio.to_thread(recorder.wait_ready, waits_for)
        waiting: set[Commits] | None = set() if self._fsync else None
        if waiting is not None:
            awaited.set(waiting)
        try:
            exchange = recorder.begin(
                scope.get("method", ""),
                scope.get("scheme", "http"),
                path,
                scope.get("query_string", b"").decode("latin-1"),
                scope.get("headers", ()),
                scope.get("http_version", "1.1"),
                scope,
            )
            if waiting:
                await _commit_start(recorder, exchange, waiting)
        except LogUnavailableError as error:
            await _send(send, refusal(error))
            return
        scope[MARK] = True
        if exchange.announced:
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"x-recorder-request"]
        page = AsgiPage.of(scope, send, self._prefix) if self._toolbar and not exchange.announced else None
        responder = _Responder(exchange, receive, page.send if page is not None else send, waiting)
        try:
            await self.app(scope, responder.receive, responder.send)
        except BaseException as error:
            exchange.fail(error)
            raise
        else:
            exchange.leave_unfinished()
        finally:
            exchange.leave()
            if page is not None:
                await page.release()
            if waiting:
                await settle(waiting)


async def _commit_start(recorder: Recorder, exchange: Exchange, waiting: set[Commits]) -> None:
    """Wait until the disk has the first record. Raises LogUnavailableError when it cannot."""
    lost = recorder.lost
    await settle(waiting)
    if recorder.lost > lost:
        exchange.abandon()
        exchange.leave()
        raise LogUnavailableError("The audit log cannot be brought to the disk (RECORDER_MODE=strict).")


async def _refuse_to_start(sentence: str, scope: Scope, receive: Receive, send: Send) -> None:
    """End the startup with a sentence, which the server logs as its last word. Raises ValueError in any other call."""
    if scope["type"] != "lifespan":
        raise ValueError(sentence)
    await receive()
    await send({"type": "lifespan.startup.failed", "message": sentence})


class _Responder:
    """One request's `receive` and `send`, as the application sees them."""

    __slots__ = ("_exchange", "_receive", "_send", "_waiting")

    def __init__(self, exchange: Exchange, receive: Receive, send: Send, waiting: set[Commits] | None) -> None:
        self._exchange = exchange
        self._receive = receive
        self._send = send
        self._waiting = waiting

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._exchange.request_chunk(message.get("body", b""))
        elif message["type"] == "http.disconnect":
            self._exchange.disconnect()
        return message

    async def send(self, message: Message) -> None:
        exchange = self._exchange
        kind = message["type"]
        if kind == "http.response.body":
            exchange.response_chunk(message.get("body", b""), not message.get("more_body", False))
        elif kind == "http.response.start":
            headers = message.get("headers", ())
            if not isinstance(headers, (list, tuple)):  # any iterable will do, and it may be one that is read once
                headers = list(headers)
                message = {**message, "headers": headers}
            exchange.response_start(message.get("status", 0), headers)
            if exchange.bodiless:
                exchange.finish()
        elif kind == "http.response.pathsend":
            await asyncio.to_thread(_read_path, exchange, message["path"])
        elif kind == "http.response.zerocopysend":
            await asyncio.to_thread(_read_descriptor, exchange, message)
        if self._waiting:
            await settle(self._waiting)
        try:
            await self._send(message)
        except OSError:
            exchange.disconnect()
            raise


def _headers(raw: Any) -> Headers:
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw]


def _raw_path(scope: Scope) -> str:
    raw = scope.get("raw_path")
    if raw:
        if b"?" in raw:
            raw = raw.partition(b"?")[0]
        return raw.decode("ascii") if raw.isascii() else quote(raw, safe="/%!$&'()*+,;=:@~-._")
    return quote(scope.get("path", ""), safe="/!$&'()*+,;=:@~-._")


def _below(scope: Scope, prefix: str) -> str | None:
    """Return the part of the path below the recorder's prefix, or None."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root + "/"):
        path = path[len(root) :]
    return path[len(prefix) :] or "/" if path == prefix or path.startswith(prefix + "/") else None


def _read_path(exchange: Exchange, path: str) -> None:
    """Read again what the server is about to send by its path."""
    try:
        with open(path, "rb") as file:
            exchange.response_pieces(iter(lambda: file.read(_PIECE), b""))
    except OSError:
        exchange.response_omitted("unavailable")


def _read_descriptor(exchange: Exchange, message: Message) -> None:
    """Read again what the server is about to send from a descriptor, without moving its position."""

    def pieces() -> Iterator[bytes]:
        descriptor = message["file"] if isinstance(message["file"], int) else message["file"].fileno()
        offset = message.get("offset")
        offset = os.lseek(descriptor, 0, os.SEEK_CUR) if offset is None else offset
        left = message.get("count")
        while left is None or left > 0:
            piece = os.pread(descriptor, _PIECE if left is None else min(left, _PIECE), offset)
            if not piece:
                return
            offset += len(piece)
            left = None if left is None else left - len(piece)
            yield piece

    try:
        exchange.response_pieces(pieces(), last=not message.get("more_body", False))
    except (OSError, ValueError):
        exchange.response_omitted("unavailable")


async def _serve_api(recorder: Recorder, below: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a call of the recorder's own API, off the event loop."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return
        body += message.get("body", b"")
        if len(body) > MAX_API_BODY:
            await _send(send, too_large())
            return
        if not message.get("more_body", False):
            break
    client = scope.get("client")
    request = Request(
        scope.get("method", ""),
        below,
        scope.get("query_string", b"").decode("latin-1"),
        _headers(scope.get("headers", ())),
        body,
        scope.get("scheme", "http"),
        client[0] if client else None,
        scope,
    )
    with suppress(OSError):
        await _send(send, await asyncio.to_thread(recorder.respond, request))


async def _send(send: Send, response: Response) -> None:
    status, headers, body = response
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
