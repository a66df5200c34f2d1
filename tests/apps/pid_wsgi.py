"""Answers with the number of the process that serves it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import recorder


def _app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


app = recorder.wrap(_app)
