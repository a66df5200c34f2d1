"""A load generator: keeps CLIENTS connections busy with one and the same request, COUNT times in all.

    python -m benchmarks._load URL COUNT CLIENTS [BODY]       prints requests a second, and the 99th percentile in ms

One thread and plain sockets, so that what is measured is the server. With BODY the request is a POST of that JSON.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time
from urllib.parse import urlsplit

from benchmarks._measure import percentile

PATIENCE = 20.0  # seconds without any answer


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

    def send(self) -> None:
        """Begin a request."""
        self.received, self.wanted = b"", -1
        self.began = time.perf_counter()
        self.socket.sendall(self.message)

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
    began, left = time.perf_counter(), count - clients
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send()
        while selector.get_map():
            ready = selector.select(PATIENCE)
            if not ready:
                raise RuntimeError(f"no answer within {PATIENCE:g} s")
            for key, _ in ready:
                connection = key.data
                if not connection.receive():
                    continue
                if left > 0 and not connection.closes:
                    left -= 1
                    connection.send()
                    continue
                selector.unregister(connection.socket)
                connection.socket.close()
                if left > 0:
                    left -= 1
                    connection.connect()
                    selector.register(connection.socket, selectors.EVENT_READ, connection)
                    connection.send()
    seconds = time.perf_counter() - began
    times = [moment for connection in connections for moment in connection.times]
    return len(times) / seconds, percentile(times, 0.99) * 1000


def _message(path: str, host: str, body: bytes | None) -> bytes:
    head = f"{'GET' if body is None else 'POST'} {path or '/'} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: benchmark\r\n"
    head += "Accept: */*\r\nCookie: session=3f0c9a7be1d24c56\r\n"
    if body is None:
        return f"{head}\r\n".encode()
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


if __name__ == "__main__":
    url, count, clients, *body = sys.argv[1:]
    print(*load(url, int(count), int(clients), body[0].encode() if body else None))
