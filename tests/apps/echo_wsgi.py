"""Answers with the number of the process that serves it, and what it was sent."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import recorder


def _app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    body = b"%d %b" % (os.getpid(), sent)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


app = recorder.wrap(_app)
