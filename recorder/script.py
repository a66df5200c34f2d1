"""GET recorder.js: the toolbar and the interceptor, which are written in several files and sent as one."""

from __future__ import annotations

import functools
import gzip
import hashlib
from pathlib import Path

from recorder.endpoints import Answer, Call

__all__ = ["PARTS", "script", "source"]

PARTS = ("server", "reports", "interceptor", "style", "bar", "panels", "review", "begin")
"""The files in `static/`, in the order in which they stand in one function."""


@functools.cache
def source() -> bytes:
    """Return the whole script, as a page gets it: without indentation and without the lines that are comments."""
    folder = Path(__file__).parent / "static"
    parts = [(folder / f"{name}.js").read_text("utf-8") for name in PARTS]
    lines = [
        line for part in parts for text in part.splitlines() if (line := text.strip()) and not line.startswith("//")
    ]
    return "\n".join(["(() => {", '"use strict";', *lines, "})();", ""]).encode()


@functools.cache
def _packed() -> bytes:
    return gzip.compress(source(), 9, mtime=0)


@functools.cache
def _etag() -> str:
    return f'W/"{hashlib.sha256(source()).hexdigest()[:16]}"'


def script(call: Call) -> Answer:
    """GET recorder.js: the toolbar and the interceptor, for the pages of the application."""
    headers = [("ETag", _etag()), ("Cache-Control", "private, max-age=300"), ("Vary", "Accept-Encoding")]
    if _etag() in (call.request.header("if-none-match") or ""):
        return Answer(304, b"", headers)
    headers += [("Content-Type", "text/javascript; charset=utf-8"), ("X-Content-Type-Options", "nosniff")]
    if "gzip" not in (call.request.header("accept-encoding") or ""):
        return Answer(200, source(), headers)
    return Answer(200, _packed(), [("Content-Encoding", "gzip"), *headers])
