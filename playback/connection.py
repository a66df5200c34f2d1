"""HTTP/1.1 over connections of our own: a request goes out as it is given, and the answer comes back whole.

A client library would add, order, spell and refuse headers by its own mind, and takes longer over a small step than the
application does. Reading is left to llhttp, the parser of Node.js (httptools).
"""

from __future__ import annotations

import contextlib
import itertools
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httptools
import httpx

__all__ = ["LARGEST", "Answered", "Connections", "Enough", "Head"]

LARGEST = 128 << 20
"""Bytes of one answer. No promoted profile expects more: its files end at 100 MiB."""
_BLOCK = 1 << 16
_WITH_THE_HEAD = 1 << 16  # bytes of a body that travel in one piece with the head
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token (RFC 9110, 5.6.2)
_VALUE = re.compile(rb"[^\0\r\n]*")
_READS = ("GET", "HEAD", "OPTIONS")
_TARGET = re.compile(rb"[\x21-\xff]+")


@dataclass(frozen=True)
class Head:
    """What stands before a request's body: `target` as in the request line, headers in their order and spelling."""

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    chunked: bool = False

    def octets(self) -> bytes:
        """As it goes on the wire. Raises `httpx.LocalProtocolError` for what would be read as something else there."""
        method = self.method.encode("ascii", "replace")
        if not _NAME.fullmatch(method) or not _TARGET.fullmatch(self.target):
            raise httpx.LocalProtocolError(
                f"no request line can hold {self.method!r} {self.target.decode('latin-1')!r}"
            )
        lines = [b"%b %b HTTP/1.1\r\n" % (method, self.target)]
        for name, value in self.headers:
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                raise httpx.LocalProtocolError(f"no header can hold {name.decode('latin-1')!r}: {_clipped(value)}")
            lines.append(b"%b: %b\r\n" % (name, value))
        lines.append(b"\r\n")
        return b"".join(lines)


def _clipped(value: bytes) -> str:
    return repr(value[:60].decode("latin-1"))


@dataclass(frozen=True)
class Answered:
    """An answer, its body as it was transferred: not chunked any more, compressed still."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    left: bool = False
    """It went on when there was enough of it."""


@dataclass(frozen=True)
class Enough:
    """How much of an answer that may not end is read: so many bytes of its body (0: any), or what comes in so many seconds."""

    bytes: int
    seconds: float


class _Unanswered(httpx.RemoteProtocolError):
    """The connection ended, and nothing had come over it."""


class Connections:
    """Connections to one address, each used again when it can be. `origin` is scheme, address and port.

    May be used from several threads: an exchange has its connection for itself. `authorities` and `name` say whom TLS
    trusts, and what its certificate must be for.
    """

    def __init__(self, origin: str, name: str, authorities: ssl.SSLContext | None) -> None:
        parts = urlsplit(origin)
        self._address = (parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme])
        self._tls = authorities if parts.scheme == "https" else None
        self._name = name
        self._idle: list[socket.socket] = []
        self._busy: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._cut = False

    def exchange(
        self, head: Head, body: bytes | Iterable[bytes], timeout: float, enough: Enough | None = None
    ) -> Answered:
        """Send one request and read its answer, which must be complete `timeout` seconds after the request was sent, or be
        `enough` by then.

        Raises `httpx.RequestError`. What only reads is sent once more where the other side had closed the connection
        meanwhile (RFC 9110, 9.2.2); what may have acted is not.
        """
        octets = head.octets()
        if (idle := self._idle_one()) is not None:
            try:
                return self._exchange(idle, head, octets, body, timeout, enough)
            except _Unanswered:
                if self._cut or head.method not in _READS or not isinstance(body, bytes):
                    raise
        return self._exchange(self._connect(timeout), head, octets, body, timeout, enough)

    def _exchange(
        self,
        connection: socket.socket,
        head: Head,
        octets: bytes,
        body: bytes | Iterable[bytes],
        timeout: float,
        enough: Enough | None,
    ) -> Answered:
        with self._lock:
            self._busy.add(connection)
        reusable = False
        try:
            complete = _send(connection, octets, body, chunked=head.chunked, timeout=timeout)
            answer = _read(connection, head.method, timeout, enough)
            reusable = complete and answer.reusable
            return Answered(answer.status, answer.headers, b"".join(answer.pieces), not answer.complete)
        finally:
            with self._lock:
                self._busy.discard(connection)
                if reusable:
                    self._idle.append(connection)
            if not reusable:
                connection.close()

    def hang_up(self) -> None:
        """Cut the connections under whoever waits for an answer; may be called from any thread."""
        with self._lock:
            self._cut = True
            for connection in self._busy:
                with contextlib.suppress(OSError):
                    # Not the socket's own method: that of a TLS socket forgets its keys while the other thread reads.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _idle_one(self) -> socket.socket | None:
        """A connection that the other side has not closed meanwhile."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            polled = select.poll()
            polled.register(connection, select.POLLIN)
            if not polled.poll(0):  # bytes that nobody asked for, or the end
                return connection
            connection.close()

    def _connect(self, timeout: float) -> socket.socket:
        try:
            connection = socket.create_connection(self._address, timeout)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"no connection within {timeout:g} s") from error
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is None:
            return connection
        try:
            return self._tls.wrap_socket(connection, server_hostname=self._name)
        except (OSError, ValueError) as error:
            connection.close()
            raise httpx.ConnectError(str(error)) from error


def _send(
    connection: socket.socket, head: bytes, body: bytes | Iterable[bytes], *, chunked: bool, timeout: float
) -> bool:
    """Send it all. False when the other side stopped reading: it may have answered all the same."""
    connection.settimeout(timeout)
    pieces: Iterable[bytes] = (body,) if isinstance(body, bytes) else body
    if chunked:
        pieces = _chunks(pieces)
    elif isinstance(body, bytes) and len(body) < _WITH_THE_HEAD:
        head, pieces = head + body, ()
    for piece in itertools.chain((head,), pieces):
        try:
            connection.sendall(piece)
        except TimeoutError as error:
            raise httpx.WriteTimeout(f"the request was not taken within {timeout:g} s") from error
        except OSError:
            return False
    return True


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in filter(None, pieces):
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


class _Answer:
    """Grows by the callbacks of a parser (httptools). Interim answers (RFC 9110, 15.2) are passed over."""

    def __init__(self, method: str) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []
        self.size = 0
        self.complete = False
        self.reusable = False
        self._method = method
        self.begun = False
        self.in_body = False
        """Whether its head is complete."""
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, received: bytes) -> None:
        """Raises `httpx.RemoteProtocolError`, and `httpx.ReadError` for more than anybody expects."""
        try:
            self._parser.feed_data(received)
        except httptools.HttpParserUpgrade:
            self.complete, self.reusable = True, False
        except httptools.HttpParserError as error:
            if not self.complete:
                raise httpx.RemoteProtocolError(f"the answer is not HTTP: {error}") from error
            self.reusable = False
        if self.size > LARGEST:
            raise httpx.ReadError(f"the answer is larger than {LARGEST >> 20} MiB")

    def end(self) -> None:
        """The connection ended. Raises `httpx.RemoteProtocolError` unless that is how this answer's end is told."""
        if not self.in_body:
            if not self.begun:
                raise _Unanswered("Server disconnected without sending a response.")
            raise httpx.RemoteProtocolError("Server disconnected in the middle of an answer's head.")
        names = {name.lower() for name, _ in self.headers}
        if names & {b"content-length", b"transfer-encoding"}:
            raise httpx.RemoteProtocolError(
                f"peer closed connection without sending complete message body (received {self.size} bytes)"
            )
        self.complete = True

    def release(self) -> None:
        """Let go of the parser, which holds on to this in turn."""
        del self._parser

    def on_message_begin(self) -> None:
        self.begun = True
        if self.complete:  # more than was asked for
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.in_body:  # trailers are no headers
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        self.status = self._parser.get_status_code()
        self.in_body = not 100 <= self.status < 200 or self.status == 101
        if self.in_body and self._method == "HEAD":
            self.complete, self.reusable = True, self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        if self.complete:
            self.reusable = False
            return
        self.size += len(body)
        self.pieces.append(body)

    def on_message_complete(self) -> None:
        if not self.in_body:
            self.headers.clear()
        elif not self.complete:
            self.complete, self.reusable = True, self._parser.should_keep_alive()


def _read(connection: socket.socket, method: str, timeout: float, enough: Enough | None) -> _Answer:
    """The answer, within its time: one that drips for ever ends, too."""
    answer = _Answer(method)
    began = time.monotonic()
    try:
        while not answer.complete:
            spent, limit = time.monotonic() - began, timeout
            if enough is not None and answer.in_body:
                limit = min(timeout, enough.seconds)
                if spent >= limit or 0 < enough.bytes <= answer.size:
                    break
            connection.settimeout(max(limit - spent, 0.001))
            try:
                received = connection.recv(_BLOCK)
            except TimeoutError as error:
                if enough is not None and answer.in_body:
                    break
                raise httpx.ReadTimeout("the answer was not complete in time") from error
            except OSError as error:
                raise (httpx.ReadError if answer.begun else _Unanswered)(str(error)) from error
            if received:
                answer.feed(received)
            else:
                answer.end()
    finally:
        answer.release()
    return answer
