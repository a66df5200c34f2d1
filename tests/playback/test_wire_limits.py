"""An answer that never ends, or that inflates, ends in a sentence and not in a replay that hangs."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from playback import wire
from playback.target import Target
from playback.wire import Client, Request

GET = Request("GET", "/", "", [], {})


@contextlib.contextmanager
def answering(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[Client]:
    """A client of a server that speaks as `talk` does."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                with contextlib.suppress(OSError):  # the client left, as it should
                    talk(connection, stop)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = listening.getsockname()[1]
        origin = f"http://127.0.0.1:{port}"
        client = Client(Target(origin, "/", origin, "127.0.0.1", port), {}, 10.0)
        try:
            yield client
        finally:
            stop.set()
            client.close()
            thread.join(60)


def test_an_answer_that_drips_for_ever() -> None:
    def drip(connection: socket.socket, stop: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not stop.wait(0.05):
            connection.sendall(b".")

    with answering(drip) as client, pytest.raises(httpx.ReadTimeout, match="not complete in time"):
        client.send(GET, timeout=2)


def test_an_answer_that_inflates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LARGEST", 1 << 20)
    bomb = gzip.compress(bytes(4 << 20))

    def inflate(connection: socket.socket, stop: threading.Event) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
        connection.sendall(head.encode() + bomb)

    with answering(inflate) as client, pytest.raises(httpx.ReadError, match="larger than 1 MiB"):
        client.send(GET)


def test_an_answer_as_it_should_be() -> None:
    def answer(connection: socket.socket, stop: threading.Event) -> None:
        body = gzip.compress(b"hello")
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    with answering(answer) as client:
        assert client.send(GET).text == "hello"
