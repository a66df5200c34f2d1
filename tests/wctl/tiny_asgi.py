"""An application of four addresses to replay against: `/`, `/items`, `/login`, and `/slow`, which answers when told.

MUTANT=1: a wrong total. MUTANT=2: `/items` answers 500. TINY_GATE: a file that `/slow` waits for.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

MUTANT = os.environ.get("MUTANT")
FORM = '<form method="post"><input name="email" type="email"><input name="password" type="password"></form>'

Send = Callable[[dict[str, Any]], Awaitable[None]]


async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    status, kind, body = await answer(scope, receive)
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


async def answer(scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]]) -> tuple[int, str, str]:
    match scope["method"], scope["path"]:
        case "GET", "/":
            return 200, "text/plain", "hello"
        case "GET", "/items":
            if MUTANT == "2":
                return 500, "text/plain", "\x1b[31moops"
            return 200, "application/json", json.dumps({"total": 4 if MUTANT == "1" else 3})
        case "GET", "/login":
            return 200, "text/html", FORM
        case "POST", "/login":
            fields = parse_qs((await receive())["body"].decode())
            return (200, "text/html", "welcome" if fields.get("password") == ["correct"] else FORM)
        case "GET", "/slow":
            Path(os.environ["TINY_GATE"] + ".reached").touch()
            while not Path(os.environ["TINY_GATE"]).exists():
                await asyncio.sleep(0.01)
            return 200, "text/plain", "at last"
    return 404, "text/plain", "nothing here"
