"""Two applications, the same in WSGI and ASGI, whose answers and ends depend on what their client does next."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from recorder import wrap
from tests.support import wait_until

PIECES = 3


def _heard(number: int) -> bool:
    """Whether the client has said that it has the piece: the next one is sent after that only."""
    return (Path(os.environ["HEARD"]) / str(number)).exists()


def _piece(number: int) -> bytes:
    return b"data: %d\n\n" % number


def _died() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def told_wsgi(made: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    path = made["PATH_INFO"]
    if path == "/die":
        _died()
    if path in ("/events", "/endless"):
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return _events() if path == "/events" else _endless()
    found = hashlib.sha256()
    while piece := made["wsgi.input"].read(4096):
        found.update(piece)
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Method", made["REQUEST_METHOD"])])
    return [found.hexdigest().encode()]


def _events() -> Iterator[bytes]:
    for number in range(PIECES):
        yield _piece(number)
        wait_until(lambda: _heard(number), f"piece {number} was heard")  # noqa: B023 - asked at once


def _endless() -> Iterator[bytes]:
    while True:
        yield b"x" * 4096


async def told_asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    if scope["path"] == "/die":
        _died()
    headers = [(b"content-type", b"text/event-stream"), (b"x-method", scope["method"].encode())]
    if scope["path"] == "/events":
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number in range(PIECES):
            await send({"type": "http.response.body", "body": _piece(number), "more_body": True})
            await asyncio.to_thread(wait_until, lambda: _heard(number), f"piece {number} was heard")  # noqa: B023
        await send({"type": "http.response.body"})
        return
    if scope["path"] == "/endless":
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        left = asyncio.create_task(_left(receive))
        while not left.done():
            await send({"type": "http.response.body", "body": b"x" * 4096, "more_body": True})
            await asyncio.sleep(0)
        return
    found = hashlib.sha256()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        found.update(message.get("body", b""))
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": found.hexdigest().encode()})


async def _left(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


wsgi = wrap(told_wsgi)
asgi = wrap(told_asgi)
