"""An application that goes on answering: a websocket at /live on a WSGI server, and at /talk a POST that is answered by an
event stream without end. MUTANT=1 says nothing there, MUTANT=2 refuses.

The websocket is taken as libraries do it under gunicorn: the socket is the application's own from then on, and the
server is told by StopIteration that there is nothing left to send.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

MUTANT = int(os.environ.get("MUTANT", "0"))
_KEY = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
talks: list[str] = []


def live(environ: dict[str, Any]) -> Iterable[bytes]:
    """Shake hands, say hello, and end."""
    accept = base64.b64encode(hashlib.sha1((environ["HTTP_SEC_WEBSOCKET_KEY"] + _KEY).encode()).digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    environ["gunicorn.socket"].sendall(head + accept + b"\r\n\r\n\x81\x05hello\x88\x00")
    raise StopIteration


def talk() -> Iterator[bytes]:
    """Events for as long as somebody listens; with MUTANT=1 only the comments that keep a connection."""
    number = 0
    while True:
        number += 1
        if MUTANT != 1:
            yield b"data: %d\n\n" % number
        time.sleep(0.02)
        if MUTANT == 1 and number == 1:
            yield b""


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
        case "GET", "/live" if "HTTP_UPGRADE" in environ:
            return live(environ)
        case "POST", "/talk":
            talks.append(environ["wsgi.input"].read().decode())
            start_response("403 Forbidden" if MUTANT == 2 else "200 OK", [("Content-Type", "text/event-stream")])
            return talk()
        case _, path:
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps({"path": path, "talks": talks}).encode()]
