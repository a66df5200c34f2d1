"""Says again whatever it was told, in other words: in a page, a script, an address, JSON and a compressed answer.

`/said/<how>` answers in one of the ways; `/given/<number>` hands out a secret of its own, in a script and a cookie.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import random
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

ALPHABET = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def canary(kind: str, number: int) -> str:
    """A secret that stands nowhere else: 20 characters that begin like no other."""
    chance = random.Random(f"{kind} {number}")
    return f"{number % 10}cAn" + "".join(chance.choice(ALPHABET) for _ in range(16))


def page(text: str) -> bytes:
    return f"<!doctype html><title>said</title><p>You said {html.escape(text)}</p>".encode()


SAID: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "page": ("text/html; charset=utf-8", page),
    "json": ("application/json", lambda text: json.dumps({"you": "ada", "said": text}).encode()),
    "text": ("text/plain; charset=utf-8", lambda text: text.encode()),
    "link": ("text/html; charset=utf-8", lambda text: f'<a href="/next?said={quote(text, safe="")}">on</a>'.encode()),
    "script": ("text/javascript", lambda text: f"var said = {json.dumps(text)};".encode()),
    "base64": ("text/plain", lambda text: base64.b64encode(text.encode())),
    "gzip": ("text/html; charset=utf-8", lambda text: gzip.compress(page(text))),
}


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    _, place, how, *_ = (*environ["PATH_INFO"].split("/"), "", "")
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if place == "given":
        secret = canary("given", int(how))
        headers = [("Content-Type", "text/html"), ("Set-Cookie", f"csrftoken={secret}; Path=/never")]
        start_response("200 OK", headers)
        return [f"<!doctype html><script>var csrfToken = '{secret}'; go({{'t': '{secret}'}})</script>".encode()]
    if place != "said":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"well"]
    if environ.get("HTTP_CONTENT_ENCODING") == "gzip":
        body = gzip.decompress(body)
    told = [environ.get(name, "") for name in ("HTTP_COOKIE", "HTTP_AUTHORIZATION", "HTTP_X_API_KEY", "QUERY_STRING")]
    media_type, say = SAID[how]
    headers = [("Content-Type", media_type)] + ([("Content-Encoding", "gzip")] if how == "gzip" else [])
    start_response("200 OK", headers)
    return [say(" ".join([*filter(None, told), body.decode("utf-8", "replace")]))]
