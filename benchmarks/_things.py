"""An ASGI application that does next to nothing: POST /things makes an id, GET answers it, DELETE forgets it."""

from __future__ import annotations

import json
import uuid
from typing import Any

__all__ = ["app"]

THINGS: dict[str, bytes] = {}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer one request."""
    if scope["type"] != "http":
        return
    status, body = _answer(scope["method"], scope["path"], (await receive()).get("body", b""))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _answer(method: str, path: str, body: bytes) -> tuple[int, bytes]:
    if method == "POST":
        key = uuid.uuid4().hex
        THINGS[key] = json.dumps({"id": key, **json.loads(body)}).encode()
        return 201, THINGS[key]
    key = path.rpartition("/")[2]
    if method == "DELETE":
        return 200, THINGS.pop(key, b"null")
    return (200, THINGS[key]) if key in THINGS else (404, b"null")
