"""A load generator: keeps CLIENTS connections busy with one and the same request, COUNT times in all.

    python -m benchmarks._load URL COUNT CLIENTS [BODY]       prints requests a second, and the 99th percentile in ms

One thread and plain sockets on the last processor, so that what is measured is the server, on the first. With BODY the
request is a POST of that JSON, with a number of its own in the place of `00000000`. The header fields are those of a
browser that has logged in.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time
from urllib.parse import urlsplit

from benchmarks._measure import percentile

NUMBER = b"00000000"  # in the body: stands for the number of the request
PATIENCE = 20.0  # seconds without any answer
_BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: application/json\r\nAccept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"
    "Referer: http://127.0.0.1/orders/new\r\nConnection: keep-alive\r\n"
    "Cookie: session=eyJ1IjoxfQ.aR8x.Zm9v3f0c9a7be1d24c56; theme=dark\r\n"
)


class Connection:
    """One client: sends, reads its answer whole, sends again. `times` are seconds from request to answer."""

    def __init__(self, address: tuple[str, int], message: bytes) -> None:
        self.message = message
        self.address = address
        self.times: list[float] = []
        self.connect()

    def connect(self) -> None:
        """Open the connection, as a browser does when the server has closed the last one."""
        self.socket = socket.create_connection(self.address, PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, number: int) -> None:
        """Begin a request; no two have the same body."""
        self.received, self.wanted = b"", -1
        message = self.message.replace(NUMBER, b"%08d" % number)
        self.began = time.perf_counter()
        self.socket.sendall(message)

    def receive(self) -> bool:
        """Take in what has come; True when the answer is whole. Raises ConnectionError when the server hung up."""
        piece = self.socket.recv(1 << 16)
        if not piece:
            raise ConnectionError("the server hung up")
        self.received += piece
        if self.wanted < 0 and (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = self.received[:end].lower()
            if not head.startswith(b"http/1.1 2"):
                raise RuntimeError(head.decode("latin-1"))
            self.closes = b"\r\nconnection: close" in head
            self.wanted = end + 4 + int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        if self.wanted < 0 or len(self.received) < self.wanted:
            return False
        self.times.append(time.perf_counter() - self.began)
        return True


def load(url: str, count: int, clients: int, body: bytes | None = None) -> tuple[float, float]:
    """Requests a second and the 99th percentile in milliseconds. Raises RuntimeError for an answer that is not 2xx."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    message = _message(parts.path, parts.netloc, body)
    connections = [Connection((parts.hostname, parts.port or 80), message) for _ in range(clients)]
    began = heard = time.perf_counter()
    left = count - clients
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(0)
        while selector.get_map():
            ready = selector.select(0)  # asks again and again: to wake a client that sleeps would cost the server
            if ready:
                heard = time.perf_counter()
            elif time.perf_counter() - heard > PATIENCE:
                raise RuntimeError(f"no answer within {PATIENCE:g} s")
            for key, _ in ready:
                connection = key.data
                if not connection.receive():
                    continue
                if left > 0 and not connection.closes:
                    left -= 1
                    connection.send(left)
                    continue
                selector.unregister(connection.socket)
                connection.socket.close()
                if left > 0:
                    left -= 1
                    connection.connect()
                    selector.register(connection.socket, selectors.EVENT_READ, connection)
                    connection.send(left)
    seconds = time.perf_counter() - began
    times = [moment for connection in connections for moment in connection.times]
    return len(times) / seconds, percentile(times, 0.99) * 1000


def _message(path: str, host: str, body: bytes | None) -> bytes:
    head = f"{'GET' if body is None else 'POST'} {path or '/'} HTTP/1.1\r\nHost: {host}\r\n{_BROWSER}"
    if body is None:
        return f"{head}\r\n".encode()
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


if __name__ == "__main__":
    url, count, clients, *body = sys.argv[1:]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(*load(url, int(count), int(clients), body[0].encode() if body else None))
