"""HARs made in tests: entries with one thing changed, and the drafts that they become."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from assembler import DraftStatus
from assembler.document import load_profile
from assembler.har_import import import_har
from assembler.profile import Profile

GOLDEN = Path(__file__).parent / "har"


def written(folder: Path, document: Any, name: str = "some.har") -> Path:
    path = folder / name
    path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    return path


def entry(number: int = 0, **changes: Any) -> dict[str, Any]:
    """An entry; `changes` by dotted path, `None` to take a key away: `entry(**{"response.status": 404})`."""
    made: dict[str, Any] = {
        "startedDateTime": f"2026-03-02T09:30:{number:02d}.000Z",
        "time": 12.5,
        "request": {
            "method": "GET", "url": f"http://site.example/page/{number}", "httpVersion": "HTTP/1.1", "cookies": [],
            "headers": [], "queryString": [], "headersSize": -1, "bodySize": 0,
        },
        "response": {
            "status": 200, "statusText": "OK", "httpVersion": "HTTP/1.1", "cookies": [],
            "headers": [{"name": "Content-Type", "value": "text/plain"}],
            "content": {"size": 2, "mimeType": "text/plain", "text": "ok"},
            "redirectURL": "", "headersSize": -1, "bodySize": 2,
        },
        "cache": {}, "timings": {"send": 0, "wait": 12.5, "receive": 0},
    }  # fmt: skip
    for path, value in changes.items():
        *parents, key = path.split(".")
        place = made
        for parent in parents:
            place = place[parent]
        place.pop(key) if value is None else place.__setitem__(key, value)
    return made


def log(*entries: Any, **more: Any) -> dict[str, Any]:
    return {"log": {"version": "1.2", "creator": {"name": "test", "version": "1"}, "entries": list(entries), **more}}


def profile_of(folder: Path, *entries: Any, **options: Any) -> tuple[DraftStatus, Profile]:
    status = import_har(written(folder, log(*entries)), "some", folder, **options)
    return status, load_profile(status.directory / "profile.yaml")


def headers(**pairs: str) -> list[dict[str, str]]:
    return [{"name": name.replace("_", "-"), "value": value} for name, value in pairs.items()]
