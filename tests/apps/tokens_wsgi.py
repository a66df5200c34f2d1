"""Tokens in disguise: each page shows a fresh one in its own spelling, under no telling name, and each takes one token.

`GET /runs/<run>/<spelling>` shows it, `POST /runs/<run>/<spelling>` wants it as X-CSRF-Token and takes it once.
"""

from __future__ import annotations

import html
import json
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote


def entities(value: str) -> str:
    """As templates escape that leave nothing but letters and digits."""
    return "".join(c if c.isalnum() else f"&#{ord(c)};" if c in "+/" else f"&#x{ord(c):X};" for c in value)


def in_base64(value: str) -> str:
    return b64encode(value.encode()).decode()


SPELLINGS: dict[str, Callable[[str], str]] = {
    "script": lambda token: f"<script>boot({json.dumps(token)})</script>",
    "slashes": lambda token: f"<script>boot({json.dumps(token).replace('/', chr(92) + '/')})</script>",
    "link": lambda token: f'<a href="?t={quote(token, safe="")}&amp;n=1">x</a>',
    "props": lambda token: f'<div data-props="{html.escape(json.dumps({"n": 1, "t": token}))}">x</div>',
    "field": lambda token: f'<input name="state" value="{html.escape(json.dumps({"t": token}))}">',
    "attribute": lambda token: f'<div data-boot="{entities(token)}">x</div>',
    "address": lambda token: f'<a href="?state={quote(json.dumps({"t": token}))}">x</a>',
    "blob": lambda token: f'<div data-b="{in_base64(token)}">x</div>',
    "state": lambda token: f'<div data-b="{in_base64(json.dumps({"n": 1, "t": token}))}">x</div>',
}
newest: dict[str, str] = {}


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    spelling = environ["PATH_INFO"].rpartition("/")[2]
    status, text = "404 Not Found", "nothing here"
    if spelling == "health":
        status, text = "200 OK", "well"
    elif spelling in SPELLINGS and environ["REQUEST_METHOD"] == "GET":
        newest[spelling] = b64encode(secrets.token_bytes(15)).decode() + "/+=="
        status, text = "200 OK", f"<!doctype html><title>{spelling}</title>{SPELLINGS[spelling](newest[spelling])}"
    elif spelling in SPELLINGS:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        right = newest.pop(spelling, None) == environ.get("HTTP_X_CSRF_TOKEN")
        status, text = ("200 OK", "saved") if right else ("403 Forbidden", "stale")
    start_response(status, [("Content-Type", "text/html; charset=utf-8")])
    return [text.encode()]
