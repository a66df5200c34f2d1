"""The traffic of a profile or a draft as a HAR 1.2, for the network panel of a browser. Redacted as it was recorded.

The format is http://www.softwareishard.com/blog/har-12-spec/. Bodies are found by what they hold: the log names the
sha256 of what was stored, `manifest.json` the file that has it.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson

from assembler.drafts import folder_of
from assembler.har_parts import cookies_of, fields, multipart, set_cookies_of, texted
from assembler.logs import AssemblyError
from assembler.profile import slug_problem
from recorder.log import Line, read

__all__ = ["export_har", "source_of"]

Event = Mapping[str, Any]
Body = Mapping[str, Any]
_INFLATED = 256 << 20  # bytes
_1970 = datetime(1970, 1, 1, tzinfo=UTC)


def source_of(slug: str, data_root: Path) -> Path:
    """The directory of the profile `slug`, else of the draft. Raises ValueError for a name none can have, LookupError."""
    if problem := slug_problem(slug):
        raise ValueError(f"{problem}.")
    folder = data_root / "profiles" / slug
    return folder if (folder / "profile.yaml").is_file() else folder_of(slug, data_root)


def export_har(source: Path) -> dict[str, Any]:
    """Return the HAR of the profile or draft in the directory `source`.

    What led up to the capture has `_before_capture`; a body that is not there has a comment in its place. Times are in
    milliseconds; all of an answer's time is waiting. Raises `AssemblyError` when no traffic was recorded there.
    """
    log = source / "events.jsonl"
    if not log.is_file():
        raise AssemblyError(f"{source} has no events.jsonl: it was not recorded, so there is no traffic to export.")
    events = [line.event for line in read(log) if isinstance(line, Line)]
    stored = _Stored(source)
    entries = [_entry(pair, stored) for pair in _pairs(events)]
    if not entries:
        raise AssemblyError(f"{log} holds no answered request; there is no traffic to export.")
    creator = {"name": "Profile Test Engine", "version": _version()}
    return {"log": {"version": "1.2", "creator": creator, "entries": entries}}


class _Pair(NamedTuple):
    """The two records of one request, whether it is part of the capture, and its time."""

    started: Event
    ended: Event
    captured: bool
    begun_us: int
    took_us: int


def _pairs(events: list[dict[str, Any]]) -> list[_Pair]:
    """The answered requests, in order of time.

    Within a boot times are those of its monotonic clock, so that what was answered before another began stays so.
    """
    captures = {e["payload"].get("capture_id") for e in events if e["payload"].get("kind") == "capture_started"}
    requests = [event for event in events if event["category"] == "http_request"]
    ended = {event["operation_id"]: event for event in requests if event["stage"] in ("finished", "failed")}
    begun = [event for event in requests if event["stage"] == "started" and event["operation_id"] in ended]
    offsets: dict[str, int] = {}
    pairs = []
    for event in sorted(begun, key=lambda e: (e["timestamp"], e["mono_ns"])):
        end = ended[event["operation_id"]]
        captured = not captures or not captures.isdisjoint(event["capture_ids"])
        start_us = event["mono_ns"] // 1000
        offset = offsets.setdefault(event["boot_id"], _microseconds(event["timestamp"]) - start_us)
        took = max(0, end["mono_ns"] // 1000 - start_us)
        if end["boot_id"] != event["boot_id"]:
            took = max(0, _microseconds(end["timestamp"]) - _microseconds(event["timestamp"]))
        duration = end["payload"].get("duration_ms")
        if duration is not None:
            took = min(took, int(duration * 1000))
        pairs.append(_Pair(event, end, captured, start_us + offset, took))
    return sorted(pairs, key=lambda pair: pair.begun_us)


def _microseconds(timestamp: str) -> int:
    """Microseconds since 1970."""
    return (datetime.fromisoformat(timestamp) - _1970) // timedelta(microseconds=1)


class _Stored:
    """The bodies that a profile keeps: in the log itself, or in the file of that content."""

    def __init__(self, folder: Path) -> None:
        try:
            files = orjson.loads((folder / "manifest.json").read_bytes())["files"]
        except (OSError, ValueError, KeyError):
            files = {}
        self._paths = {digest: folder / name for name, digest in files.items()}

    def content(self, body: Body) -> bytes | None:
        """The content of a body or part, its encoding undone; None where it was not stored, or is there no more."""
        if body.get("text") is not None:
            return str(body["text"]).encode()
        path = self._paths.get(body.get("sha256"))
        if path is None or not path.is_file():
            return None
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != body["sha256"]:
            return None
        return _decoded(content, body.get("stored_encoding"))


def _decoded(content: bytes, encoding: str | None) -> bytes | None:
    if encoding is None:
        return content
    if encoding.lower() not in ("gzip", "x-gzip", "deflate"):
        return None
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        found = inflate.decompress(content, _INFLATED)
    except zlib.error:
        return None
    return found if inflate.eof else None


def _entry(pair: _Pair, stored: _Stored) -> dict[str, Any]:
    started, ended = pair.started["payload"], pair.ended["payload"]
    took = pair.took_us / 1000
    begun = _1970 + timedelta(microseconds=pair.begun_us)
    entry = {
        "startedDateTime": begun.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "time": took,
        "request": _request(started, ended.get("request_body"), stored),
        "response": _response(started, ended, stored),
        "cache": {},
        "timings": {"send": 0, "wait": took, "receive": 0},
    }
    if not pair.captured:
        entry["_before_capture"] = True
    if ended.get("error"):
        entry["_error"] = ended["error"]["type"]
    return entry


def _request(started: Mapping[str, Any], body: Body | None, stored: _Stored) -> dict[str, Any]:
    headers = [(name, value) for name, value in started["headers"]]
    post = _post_data(body, stored) if body else None
    if post is not None and (size := post.pop("size")) is not None:
        headers = [(n, v) for n, v in headers if n not in ("content-length", "transfer-encoding")]
        headers.append(("content-length", str(size)))
    request = {
        "method": started["method"],
        "url": _url(started),
        "httpVersion": _http_version(started),
        "cookies": cookies_of(headers),
        "headers": fields(headers),
        "queryString": fields(parse_qsl(started["query"], keep_blank_values=True)),
        "headersSize": -1,
        "bodySize": body["size"] if body else 0,
    }
    if post is not None:
        request["postData"] = post
    return request


def _post_data(body: Body, stored: _Stored) -> dict[str, Any]:
    """A request's body; `size` is the Content-Length that fits what is told of it."""
    media_type = body.get("media_type") or ""
    if body.get("parts") is not None:
        content, missing = multipart(media_type, body["parts"], stored.content)
    else:
        content, missing = stored.content(body), []
    if content is None:
        return {"mimeType": media_type, "text": "", **_why(body), "size": max(body["size"], 1)}
    post = {"mimeType": media_type, **texted(content)}
    if missing:
        post["comment"] = f"without the content of: {', '.join(missing)}"
    # A length that is too large tells whoever imports this that something is missing.
    post["size"] = len(content) if not missing else max(body["size"], len(content) + 1)
    return post


def _response(started: Mapping[str, Any], ended: Mapping[str, Any], stored: _Stored) -> dict[str, Any]:
    headers = [(name, value) for name, value in ended.get("headers") or []]
    status = ended.get("status") or 0
    body = ended.get("body")
    return {
        "status": status,
        "statusText": HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "",
        "httpVersion": _http_version(started),
        "cookies": set_cookies_of(headers),
        "headers": fields(headers),
        "content": _content(dict(headers).get("content-type", ""), body, stored),
        "redirectURL": dict(headers).get("location", ""),
        "headersSize": -1,
        "bodySize": body["size"] if body else 0,
    }


def _content(media_type: str, body: Body | None, stored: _Stored) -> dict[str, Any]:
    if not body:
        return {"size": 0, "mimeType": media_type, "text": ""}
    content = stored.content(body)
    if content is None:
        return {"size": body["size"], "mimeType": media_type, **_why(body)}
    return {"size": len(content), "mimeType": media_type, **texted(content, base64=True)}


def _why(body: Body) -> dict[str, str]:
    """The keys that stand in the place of a content."""
    reason = body.get("omitted")
    return {"comment": f"not stored: {reason}", "_omitted": reason} if reason else {"comment": "not kept"}


def _url(started: Mapping[str, Any]) -> str:
    known = dict(reversed(started["headers"]))
    scheme = known.get("x-forwarded-proto") or started.get("scheme") or "http"
    host = known.get("x-forwarded-host") or known.get("host") or "localhost"
    return f"{scheme}://{host}{started['path']}" + (f"?{started['query']}" if started["query"] else "")


def _http_version(started: Mapping[str, Any]) -> str:
    return f"HTTP/{started.get('http_version') or '1.1'}"


def _version() -> str:
    try:
        return metadata.version("profile-test-engine")
    except metadata.PackageNotFoundError:
        return "0"
