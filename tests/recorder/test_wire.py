"""What only a real connection shows: cadence, chunked bodies, clients that leave, requests that kill their worker."""

from __future__ import annotations

import hashlib
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.recorder.site_wire import PIECES
from tests.recorder.watching import events
from tests.support import Server, wait_until

MODULE = "tests.recorder.site_wire"
SERVERS: dict[str, Callable[[dict[str, str]], Server]] = {
    "gunicorn sync": lambda env: Server.gunicorn(f"{MODULE}:wsgi", env=env),
    "gunicorn gthread": lambda env: Server.gunicorn(f"{MODULE}:wsgi", options=["--threads", "4"], env=env),
    "gunicorn gevent": lambda env: Server.gunicorn(f"{MODULE}:wsgi", options=["--worker-class", "gevent"], env=env),
    "waitress": lambda env: Server(
        [sys.executable, "-m", "waitress", "--listen=127.0.0.1:{port}", "--send-bytes=1", f"{MODULE}:wsgi"], env=env
    ),
    "uvicorn h11": lambda env: Server.uvicorn(f"{MODULE}:asgi", options=["--http", "h11"], env=env),
    "uvicorn httptools": lambda env: Server.uvicorn(f"{MODULE}:asgi", options=["--http", "httptools"], env=env),
    "hypercorn": lambda env: Server(
        [sys.executable, "-m", "hypercorn", "--bind", "127.0.0.1:{port}", f"{MODULE}:asgi"], env=env
    ),
}
RESTARTS = ("gunicorn sync", "gunicorn gthread", "gunicorn gevent")


def connect(server: Server, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    connection.sendall(sent)
    return connection


def told(root: Path, path: str) -> list[dict[str, Any]]:
    """The records of the request for a path, as far as they are written."""
    found = events(root / "_logs", "http_request")
    begun = {event["operation_id"] for event in found if event["payload"].get("path") == path}
    return [event for event in found if event["operation_id"] in begun]


@pytest.mark.parametrize("name", SERVERS)
def test_everything_that_a_connection_can_be(name: str, tmp_path: Path) -> None:
    root, heard = tmp_path / "root", tmp_path / "heard"
    heard.mkdir()
    with SERVERS[name]({"RECORDER_ROOT": str(root), "HEARD": str(heard)}) as server:
        # Each event reaches the client before there is a next one; a recorder that held one back would wait for ever.
        connection, got = connect(server, b"GET /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), b""
        for number in range(PIECES):
            while b"data: %d\n\n" % number not in got:
                got += connection.recv(1 << 16)
            assert len(told(root, "/events")) == 1
            (heard / str(number)).touch()
        while connection.recv(1 << 16):
            pass
        wait_until(lambda: len(told(root, "/events")) == 2, "the end of the stream is told")
        assert told(root, "/events")[1]["payload"]["body"]["text"] == "".join(f"data: {n}\n\n" for n in range(PIECES))

        # Methods, addresses and repeated headers as they were sent, with a body in chunks of any size.
        body = bytes(range(256)) * 40
        for number, method in enumerate(["PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]):
            target = f"/a%2Fb%7e/{method}/{number}?q=%2b+%zz&&q=;"
            head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
            head += "X-Twice: 2\r\nX-Other: o\r\nX-Twice: 1\r\nContent-Type: application/octet-stream\r\n\r\n"
            pieces = [body[at : at + 777 * (number + 1)] for at in range(0, len(body), 777 * (number + 1))]
            chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
            connection, answer = connect(server, head.encode() + chunks), b""
            while piece := connection.recv(1 << 16):
                answer += piece
            assert hashlib.sha256(body).hexdigest().encode() in answer
            assert f"x-method: {method}".encode() in answer.lower().replace(method.lower().encode(), method.encode())
            first, last = told(root, target.partition("?")[0])
            assert (first["payload"]["method"], first["payload"]["query"]) == (method, target.partition("?")[2])
            twice = ",".join(value for header, value in first["payload"]["headers"] if header == "x-twice")
            assert twice.replace(" ", "") == "2,1"
            described = last["payload"]["request_body"]
            assert (described["size"], described["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())

        # An upload that breaks off: what came is told, and that it was not all.
        sent = b"POST /aborted HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n"
        connection = connect(server, sent + b"half" * 10_000)
        if name != "waitress":  # which calls the application when it has the whole body
            wait_until(lambda: told(root, "/aborted"), "the request began")
        connection.close()
        if name != "waitress":
            wait_until(lambda: len(told(root, "/aborted")) == 2, "the end of the upload is told")
            aborted = told(root, "/aborted")[1]["payload"]["request_body"]
            assert aborted["truncated"]
            assert ("half" * 10_000).startswith(aborted["text"])

        # A client that leaves in the middle of an answer.
        connection = connect(server, b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1 << 16)
        connection.close()
        wait_until(lambda: len(told(root, "/endless")) == 2, "the end of the answer is told")
        left = told(root, "/endless")[1]
        assert (left["stage"], left["payload"]["status"]) == ("failed", 200)
        assert left["payload"]["error"]["type"] == "ClientDisconnect"
        assert left["payload"]["body"]["truncated"]

        # A request that kills its worker is on the disk, though nothing else of it ever is.
        connect(server, b"GET /die HTTP/1.1\r\nHost: x\r\n\r\n").recv(1)
        assert [event["stage"] for event in told(root, "/die")] == ["started"]
        if name in RESTARTS:
            connection = connect(server, b"GET /after HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"200 OK" in connection.recv(1 << 16)
            wait_until(lambda: len(told(root, "/after")) == 2, "the next worker writes to the same log")
    sequences: dict[str, list[int]] = {}
    for event in events(root / "_logs"):
        sequences.setdefault(event["writer"], []).append(event["sequence"])
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in sequences.values())
