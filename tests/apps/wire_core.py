"""What HTTP can carry, answered so that whatever reaches the application in another way than before shows in an answer.

Knows neither ASGI nor WSGI: `wire_asgi` and `wire_wsgi` bring requests here. MUTANT: 1 ranges are ignored · 2 nothing is
ever unchanged · 3 a cookie's path is forgotten · 4 a redirect keeps no method · 5 parts of an upload are sorted ·
6 an event of a stream is lost · 7 a compressed body is read as it came.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl

from tests.apps.state import MUTANT

FILE = bytes(range(256)) * 64
TAG = '"first-edition"'
MODIFIED = "Tue, 06 Jan 2026 10:00:00 GMT"

Pairs = list[tuple[str, str]]
Answer = tuple[int, Pairs, Iterable[bytes]]


@dataclass
class Asked:
    """One request as it arrived: names of headers in lower case, values as latin-1."""

    method: str
    target: str
    headers: Pairs
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def first(self, name: str) -> str:
        return next(iter(self.all(name)), "")


def answer(asked: Asked) -> Answer:
    """The answer of the application."""
    route = ROUTES.get(asked.path)
    if route is not None:
        return route(asked)
    return told({"method": asked.method, "target": asked.target, "body": asked.body.decode("latin-1")})


def told(document: Any, status: int = 200, more: Iterable[tuple[str, str]] = ()) -> Answer:
    body = json.dumps(document).encode()
    return status, [("content-type", "application/json"), ("content-length", str(len(body))), *more], [body]


def login(asked: Asked) -> Answer:
    form = dict(parse_qsl(asked.body.decode()))
    if form != {"user": "ada", "password": "correct horse battery"}:
        return told({"error": "who?"}, 401)
    inner = "/" if MUTANT == 3 else "/area"
    cookies = [
        f"sid={secrets.token_urlsafe(18)}; Path=/; HttpOnly",
        "pref=outer; Path=/",
        f"pref=inner; Path={inner}",
        "gone=soon; Max-Age=0; Path=/",
    ]
    return told({"ok": True}, 200, [("set-cookie", cookie) for cookie in cookies])


def cookies(asked: Asked) -> Answer:
    """Every cookie that came, in order; of the session only that it is there."""
    pairs = [part.strip().partition("=") for value in asked.all("cookie") for part in value.split(";") if part.strip()]
    return told({"cookies": [[name, "…" if name == "sid" else value] for name, _, value in pairs]})


def headers(asked: Asked) -> Answer:
    names = ("x-trace", "x-place", "x-empty", "accept", "content-type", "transfer-encoding")
    seen = {name: asked.all(name) for name in names if asked.all(name)}
    return told({"seen": seen}, 200, [("x-many", "one"), ("x-many", "two")])


def upload(asked: Asked) -> Answer:
    head = f"content-type: {asked.first('content-type')}\r\n\r\n".encode()
    message: Any = BytesParser().parsebytes(head + asked.body)
    rows = []
    for part in message.get_payload():
        content = part.get_payload(decode=True)
        disposition = str(part["content-disposition"])
        rows.append([disposition, part["content-type"], len(content), hashlib.sha256(content).hexdigest()])
    return told({"parts": sorted(rows) if MUTANT == 5 else rows})


def received(asked: Asked) -> Answer:
    """How the body came, and what it was."""
    content = asked.body
    if asked.first("content-encoding") == "gzip" and MUTANT != 7:
        content = gzip.decompress(content)
    how = {name: asked.first(name) for name in ("content-encoding", "content-type", "transfer-encoding")}
    return told({"how": how, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()})


def file(asked: Asked) -> Answer:
    head = [("content-type", "application/octet-stream"), ("etag", TAG), ("last-modified", MODIFIED)]
    if asked.first("if-none-match") == TAG and MUTANT != 2:
        return 304, head[1:], []
    wanted = asked.first("range")
    if wanted.startswith("bytes=") and asked.first("if-range") in ("", TAG) and MUTANT != 1:
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        piece = FILE[int(first) : int(last) + 1]
        place = ("content-range", f"bytes {first}-{last}/{len(FILE)}")
        return 206, [*head, place, ("content-length", str(len(piece)))], [piece]
    body = [] if asked.method == "HEAD" else [FILE]
    return 200, [*head, ("content-length", str(len(FILE)))], body


def packed(asked: Asked) -> Answer:
    text = json.dumps({"rows": list(range(200))}).encode()
    head = [("content-type", "application/json"), ("vary", "accept-encoding")]
    if "gzip" in asked.first("accept-encoding"):
        text = gzip.compress(text, mtime=0)
        head.append(("content-encoding", "gzip"))
    return 200, [*head, ("content-length", str(len(text)))], [text]


def stream(asked: Asked) -> Answer:
    return 200, [("content-type", "text/plain")], (f"line {number}\n".encode() for number in range(50))


def events(asked: Asked) -> Answer:
    """A stream that ends."""
    numbers = [0, 2] if MUTANT == 6 else [0, 1, 2]
    return 200, [("content-type", "text/event-stream")], (f'data: {{"n": {n}}}\n\n'.encode() for n in numbers)


def forever(asked: Asked) -> Answer:
    """A stream that ends when its reader goes."""

    def endless() -> Iterator[bytes]:
        while True:
            yield b"data: " + b"x" * 60_000 + b"\n\n"

    return 200, [("content-type", "text/event-stream")], endless()


def nothing(asked: Asked) -> Answer:
    return 204, [], []


def moved(status: int) -> Callable[[Asked], Answer]:
    def redirect(asked: Asked) -> Answer:
        code = 302 if MUTANT == 4 and status == 307 else status
        return code, [("location", "/caf\xc3\xa9/landed?x=1"), ("content-length", "0")], []

    return redirect


def multistatus(asked: Asked) -> Answer:
    depth = asked.first("depth")
    body = f'<?xml version="1.0"?><multistatus><asked>{asked.method} {depth} {len(asked.body)}</asked></multistatus>'
    return 207, [("content-type", "application/xml"), ("content-length", str(len(body)))], [body.encode()]


ROUTES: dict[str, Callable[[Asked], Answer]] = {
    "/login": login,
    "/cookies": cookies,
    "/area/cookies": cookies,
    "/headers": headers,
    "/upload": upload,
    "/received": received,
    "/file": file,
    "/packed": packed,
    "/stream": stream,
    "/events": events,
    "/events/forever": forever,
    "/none": nothing,
    "/dav/": multistatus,
    **{f"/moved/{status}": moved(status) for status in (301, 302, 303, 307, 308)},
}
