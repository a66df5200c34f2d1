"""Many replays at once share no file, no cookie and no id, and none of them writes to the seed."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from playback.clone import tree_hash
from playback.engine import Options, replay
from playback.report import Report
from tests.playback.members import serving
from tests.playback.site import profile

PROFILE = """metadata:
  slug: shop
  run: clone
  recorded_with: {origin: "http://127.0.0.1:1", run_id: bashful-moraine, started: "2026-01-05T10:00:00Z"}
steps:
  - {id: enter, path: /enter, expect: {status: 200, cookies: [sid]}}
  - id: write
    method: POST
    path: /write
    form: [[run, "{{ run_id }}"]]
    expect: {status: 200, media_type: application/json, body: baseline/answers/write.json}
  - id: seen
    path: /seen
    expect: {status: 200, media_type: application/json, body: baseline/answers/seen.json}
comparisons:
  - {target: notes.txt, method: exact_hash}
"""
TOGETHER = 20


class Shop:
    """Adds a line to the run's file, which the seed brought, and remembers which session wrote into which run."""

    def __init__(self, data_root: Path) -> None:
        self.data_root = data_root
        self.written: dict[str, list[str]] = {}
        self.all_in = threading.Barrier(TOGETHER, timeout=60)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        cookie = SimpleCookie(environ.get("HTTP_COOKIE", "")).get("sid")
        sid = cookie.value if cookie else ""
        headers = [("Content-Type", "application/json")]
        answer: dict[str, Any] = {}
        if environ["PATH_INFO"] == "/enter":
            self.all_in.wait()  # from here on all are under way
            headers.append(("Set-Cookie", f"sid={secrets.token_hex(16)}; Path=/"))
        elif environ["PATH_INFO"] == "/write":
            form = parse_qs(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode())
            run = form["run"][0].rpartition(";")[2]
            notes = self.data_root / "playback_runs" / run / "notes.txt"
            notes.write_text(notes.read_text() + "one more\n")
            self.written.setdefault(sid, []).append(run)
            answer = {"lines": len(notes.read_text().splitlines())}
        elif environ["PATH_INFO"] == "/seen":
            answer = {"runs": len(self.written[sid])}
        found = environ["PATH_INFO"] in ("/enter", "/write", "/seen")
        start_response("200 OK" if found else "404 Not Found", headers)
        return [json.dumps(answer).encode()]


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    files: dict[str, Any] = {
        "seed/run/main.cfg": "[run]\n",
        "seed/run/notes.txt": "recorded\n",
        "baseline/answers/write.json": {"lines": 2},
        "baseline/answers/seen.json": {"runs": 1},
        "baseline/run/notes.txt": "recorded\none more\n",
    }
    return profile(tmp_path, PROFILE, files) / "seed"


def test_twenty_at_once(tmp_path: Path, seed: Path) -> None:
    before = tree_hash(seed)
    shop = Shop(tmp_path)

    def run(number: int) -> Report:
        return replay("shop", tmp_path, Options(base_url=url, keep=True), {})

    with serving(shop) as url, ThreadPoolExecutor(TOGETHER) as together:
        reports = list(together.map(run, range(TOGETHER)))
    assert [report.result for report in reports] == ["passed"] * TOGETHER, [
        m for r in reports for s in r.steps for m in s.mismatches
    ]
    assert len({report.run_id for report in reports}) == TOGETHER
    assert len({report.run_dir for report in reports}) == TOGETHER
    assert len(shop.written) == TOGETHER
    assert len({run for runs in shop.written.values() for run in runs}) == TOGETHER
    results = tmp_path / "profiles" / "results" / "shop"
    kept = [json.loads(path.read_text())["run_id"] for path in results.glob("*/report.json")]
    assert sorted(kept) == sorted(str(report.run_id) for report in reports)
    assert tree_hash(seed) == before
