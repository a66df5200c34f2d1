"""Sends one large file in one request: `python -m benchmarks._upload URL BYTES`; prints the seconds it took.

What is sent is made before the clock starts.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from urllib.parse import urlsplit

PIECE = 1 << 20
PATIENCE = 120.0  # seconds without any answer


def upload(url: str, size: int) -> float:
    """Seconds from the first byte sent to the last of the answer. Raises RuntimeError for an answer that is not 2xx."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    piece = os.urandom(PIECE)
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/octet-stream\r\n"
        f"Content-Length: {size}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port or 80), PATIENCE) as connection:
        began = time.perf_counter()
        connection.sendall(head.encode())
        for left in range(size, 0, -PIECE):
            connection.sendall(piece[: min(left, PIECE)])
        answer = b""
        while received := connection.recv(1 << 16):
            answer += received
    if not answer.startswith(b"HTTP/1.1 2"):
        raise RuntimeError(answer[:200].decode("latin-1"))
    return time.perf_counter() - began


if __name__ == "__main__":
    print(upload(sys.argv[1], int(sys.argv[2])))
