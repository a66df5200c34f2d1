"""Answers what it is told to: `/answer/<name>` by the file that MIRROR names, anything else with a word."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    _, place, name, *_ = (*environ["PATH_INFO"].split("/"), "", "")
    if place == "fail":
        raise ValueError(json.loads(Path(os.environ["MIRROR"]).read_text())[name])
    if place != "answer":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"well"]
    status, headers, body = json.loads(Path(os.environ["MIRROR"]).read_text())[name]
    start_response(status, [(key, value) for key, value in headers])
    return [base64.b64decode(body)]
