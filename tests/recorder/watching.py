"""What the recorder's tests need again and again: a client without a server, and a look at everything on the disk."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from wsgiref.util import FileWrapper

from recorder.log import LOG_NAME, BadLine, Line, read
from tests.support import wait_until


def events(log_dir: Path, category: str | None = None) -> list[dict[str, Any]]:
    """Return the events in a `_logs` directory; every line must be one, once its writer is through with it."""
    path = log_dir / LOG_NAME
    lines: list[Line | BadLine] = []

    def whole() -> bool:
        lines[:] = read(path) if path.exists() else []
        return not lines or isinstance(lines[-1], Line)

    wait_until(whole, f"{path} ends with a record")  # the last one may be on its way
    assert all(isinstance(line, Line) for line in lines), lines
    return [line.event for line in lines if category in (None, line.event["category"])]  # type: ignore[union-attr]


def exchanges(log_dir: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the (first, last) records of each request, in the order they began; each must have both."""
    records = events(log_dir, "http_request")
    started = [record for record in records if record["stage"] == "started"]
    ended = {record["operation_id"]: record for record in records if record["stage"] != "started"}
    assert len(records) == 2 * len(started) == 2 * len(ended)
    return [(record, ended[record["operation_id"]]) for record in started]


def last(log_dir: Path) -> dict[str, Any]:
    """Return the payload of the last request's last record."""
    payload: dict[str, Any] = exchanges(log_dir)[-1][1]["payload"]
    return payload


def on_disk(root: Path) -> bytes:
    """Return every byte of every file below a directory."""
    return b"\0".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())


class Answer(NamedTuple):
    """What a client gets."""

    status: str
    headers: list[tuple[str, str]]
    pieces: list[bytes]

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


def environ(
    path: str = "/",
    method: str = "GET",
    body: bytes = b"",
    headers: Iterable[tuple[str, str]] = (),
    query: str = "",
    **more: Any,
) -> dict[str, Any]:
    """Return a WSGI environ as a server makes it."""
    made: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "HTTP_HOST": "localhost",
    }
    if body:
        made["CONTENT_LENGTH"] = str(len(body))
    for name, value in headers:
        key = name.upper().replace("-", "_")
        made[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return {**made, **more}


def call_wsgi(app: Any, made: dict[str, Any]) -> Answer:
    """Call a WSGI application as a server does: iterate, close, and send nothing before the first piece."""
    started: list[tuple[str, list[tuple[str, str]]]] = []
    pieces: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started.append((status, list(headers)))
        return pieces.append

    result = app(made, start_response)
    try:
        pieces.extend(result)
    finally:
        if hasattr(result, "close"):
            result.close()
    return Answer(*started[-1], pieces)


def scope(
    path: str = "/", method: str = "GET", headers: Iterable[tuple[str, str]] = (), query: str = "", **more: Any
) -> dict[str, Any]:
    """Return an ASGI scope as a server makes it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        **more,
    }


def call_asgi(app: Any, made: dict[str, Any], body: Sequence[bytes] = (b"",), then: str = "") -> list[dict[str, Any]]:
    """Call an ASGI application and return the messages it sent. After the body come `then`, or nothing for ever."""
    incoming = [
        {"type": "http.request", "body": chunk, "more_body": number < len(body)} for number, chunk in enumerate(body, 1)
    ]
    if then:
        incoming.append({"type": then})
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if incoming:
            return incoming.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(dict(message))

    asyncio.run(app(made, receive, send))
    return sent
