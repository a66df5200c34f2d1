"""What an httpx client sends and gets, written as a HAR the way browsers write theirs."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx


class Traffic:
    """Event hooks for `httpx.Client`, and the HAR of what passed. Times are cut to milliseconds, as Chromium does."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    @property
    def hooks(self) -> dict[str, list[Any]]:
        return {"request": [self._begun], "response": [self._ended]}

    def document(self, entries: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        creator = {"name": "WebInspector", "version": "537.36"}
        ordered = sorted(entries or self.entries, key=lambda entry: entry["startedDateTime"])
        return {"log": {"version": "1.2", "creator": creator, "pages": [], "entries": ordered}}

    def write(self, path: Path) -> Path:
        path.write_text(json.dumps(self.document()))
        return path

    def _begun(self, request: httpx.Request) -> None:
        request.extensions["begun"] = (time.time(), time.perf_counter())

    def _ended(self, response: httpx.Response) -> None:
        response.read()
        begun, counted = response.request.extensions["begun"]
        took = (time.perf_counter() - counted) * 1000
        started = datetime.fromtimestamp(begun, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.entries.append(
            {
                "startedDateTime": started,
                "time": took,
                "request": request_of(response.request),
                "response": response_of(response),
                "cache": {},
                "timings": {"send": 0, "wait": took, "receive": 0},
            }
        )


def request_of(request: httpx.Request) -> dict[str, Any]:
    content = request.read()
    found = {
        "method": request.method,
        "url": str(request.url),
        "httpVersion": "HTTP/1.1",
        "headers": headers_of(request.headers),
        "queryString": [],
        "cookies": [],
        "headersSize": -1,
        "bodySize": len(content),
    }
    if content:
        try:
            text = content.decode()
        except UnicodeDecodeError:
            text = content.decode("latin-1")
        found["postData"] = {"mimeType": request.headers.get("content-type", ""), "text": text}
    return found


def response_of(response: httpx.Response) -> dict[str, Any]:
    kind = response.headers.get("content-type", "")
    content: dict[str, Any] = {"size": len(response.content), "mimeType": kind or "x-unknown"}
    if kind.startswith(("text/", "application/json")):
        content["text"] = response.text
    elif response.content:
        content.update(text=base64.b64encode(response.content).decode(), encoding="base64")
    return {
        "status": response.status_code,
        "statusText": response.reason_phrase,
        "httpVersion": "HTTP/1.1",
        "headers": headers_of(response.headers),
        "cookies": [],
        "content": content,
        "redirectURL": response.headers.get("location", ""),
        "headersSize": -1,
        "bodySize": len(response.content),
    }


def headers_of(headers: httpx.Headers) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers.multi_items()]
