"""The toolbar's tag on its way through ASGI and WSGI: the head of a page waits until it is known whether the tag has a place.

Outermost: what the recorder logs is the application's own answer. The head of an answer without a Content-Length, which
may come slowly, does not wait.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import Any, TypeAlias

from recorder.toolbar import Insertion, insertion, wants_page

__all__ = ["AsgiPage", "WsgiPage"]

Message: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Write: TypeAlias = Callable[[bytes], object]
StartResponse: TypeAlias = Callable[..., Write]


class AsgiPage:
    """The `send` of one request. `release` when the application has returned."""

    @classmethod
    def of(cls, scope: MutableMapping[str, Any], send: Send, prefix: str) -> AsgiPage | None:
        """Return None for a request that opens no page."""
        asked = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", ())}
        if not wants_page(scope.get("method", ""), asked):
            return None
        source = f"{scope.get('root_path', '')}{prefix}/recorder.js"
        return cls(send, source, f"{scope.get('scheme', 'http')}://{asked.get('host', '')}")

    def __init__(self, send: Send, source: str, origin: str) -> None:
        self._forward = send
        self._source, self._origin = source, origin
        self._start: Message | None = None
        self._insertion: Insertion | None = None

    async def send(self, message: Message) -> None:
        """Forward a message of the application, with the tag in its place."""
        kind = message["type"]
        if kind == "http.response.start":
            await self._begin(message)
        elif kind == "http.response.body" and self._insertion is not None:
            await self._body(message, self._insertion)
        else:
            if kind in ("http.response.pathsend", "http.response.zerocopysend"):
                await self.release()
            await self._forward(message)

    async def release(self) -> None:
        """Send a head that still waits as it was."""
        self._insertion = None
        if self._start is not None:
            start, self._start = self._start, None
            await self._forward(start)

    async def _begin(self, message: Message) -> None:
        pairs = [
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in message.get("headers", ())
        ]
        self._insertion = insertion(message.get("status", 0), pairs, self._source, self._origin)
        if self._insertion is None:
            await self._forward(message)
        elif any(name == "content-length" for name, _ in pairs):
            self._start = message
        else:
            await self._forward({**message, "headers": _encoded(self._insertion.headers(pairs))})

    async def _body(self, message: Message, page: Insertion) -> None:
        last, first = not message.get("more_body", False), not page.decided
        piece = page.feed(message.get("body", b""), last)
        if not page.decided:
            return
        if self._start is not None:
            start, self._start = self._start, None
            if page.placed:
                pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in start["headers"]]
                start = {**start, "headers": _encoded(page.headers(pairs, len(piece) if last and first else None))}
            await self._forward(start)
        await self._forward({**message, "body": piece})


def _encoded(pairs: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


class WsgiPage:
    """The `start_response` and the result of one request."""

    @classmethod
    def of(cls, environ: dict[str, Any], start_response: StartResponse, prefix: str) -> WsgiPage | None:
        """Return None for a request that opens no page."""
        asked = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
        if not wants_page(environ.get("REQUEST_METHOD", ""), asked):
            return None
        source = environ.get("SCRIPT_NAME", "").encode("latin-1", "replace").decode("utf-8", "replace")
        origin = f"{environ.get('wsgi.url_scheme', 'http')}://{environ.get('HTTP_HOST', '')}"
        return cls(start_response, f"{source}{prefix}/recorder.js", origin)

    def __init__(self, start_response: StartResponse, source: str, origin: str) -> None:
        self._start_response = start_response
        self._source, self._origin = source, origin
        self._pending: tuple[str, list[tuple[str, str]], tuple[Any, ...], dict[str, Any]] | None = None
        self._write: Write | None = None
        self.started = False
        self.insertion: Insertion | None = None

    def start_response(self, status: str, headers: list[tuple[str, str]], *exc_info: Any, **named: Any) -> Write:
        """As PEP 3333 has it; the head of an answer with a Content-Length waits."""
        self.started, self._pending = True, None
        pairs = [(name.lower(), value) for name, value in headers]
        code = int(status[:3]) if status[:3].isdigit() else 0
        page = self.insertion = insertion(code, pairs, self._source, self._origin)
        if page is None:
            self._write = self._start_response(status, headers, *exc_info, **named)
            return self._write
        if any(name == "content-length" for name, _ in pairs):
            self._pending = (status, headers, exc_info, named)
        else:
            self._write = self._start_response(status, page.headers(headers), *exc_info, **named)
        return self._send

    def _send(self, piece: bytes) -> object:
        assert self.insertion is not None
        found = self.insertion.feed(piece)
        if not self.insertion.decided:
            return None
        self.release(None)
        assert self._write is not None
        return self._write(found)

    def release(self, whole: int | None) -> None:
        """Send the head that waits; `whole` is the length of the body where all of it is known."""
        if self._pending is None:
            return
        (status, headers, exc_info, named), self._pending = self._pending, None
        if self.insertion is not None and self.insertion.placed:
            headers = self.insertion.headers(headers, whole)
        self._write = self._start_response(status, headers, *exc_info, **named)

    def answer(self, result: Iterable[bytes]) -> Iterable[bytes]:
        """Return what the server gets: the application's own result where the answer is left alone."""
        page = self.insertion
        if self.started and page is None:
            return result
        if not (self.started and type(result) in (list, tuple)):
            return _Pieces(result, self)
        assert page is not None
        whole, pieces = not page.decided, list(result)
        pieces = [page.feed(piece, number == len(pieces)) for number, piece in enumerate(pieces, 1)] or [
            page.feed(b"", True)
        ]
        self.release(sum(map(len, pieces)) if whole else None)
        return pieces


class _Pieces:
    """A lazy result on its way to the server."""

    def __init__(self, result: Iterable[bytes], page: WsgiPage) -> None:
        self._result = result
        self._page = page
        self._iterator: Iterator[bytes] | None = None
        self._over = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._iterator is None:
            self._iterator = iter(self._result)
        page = self._page
        while not self._over:
            piece = next(self._iterator, None)
            self._over = piece is None
            if page.insertion is None:
                if piece is None:
                    break
                return piece
            found = page.insertion.feed(piece or b"", self._over)
            if page.insertion.decided:
                page.release(None)
                if found or not self._over:
                    return found
        raise StopIteration

    def close(self) -> None:
        """As the server asks for it."""
        if (close := getattr(self._result, "close", None)) is not None:
            close()
