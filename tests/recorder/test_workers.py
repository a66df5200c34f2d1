"""Four gunicorn workers agree about a capture that was started over HTTP in one of them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from tests.recorder.watching import events, exchanges
from tests.support import Server, wait_until

TOKEN = "operator-token-1234567890"
BEARER = {"Authorization": f"Bearer {TOKEN}"}



def test_four_workers_agree_about_a_capture(tmp_path: Path) -> None:
    env = {"RECORDER_ROOT": str(tmp_path / "root"), "RECORDER_TOKEN": TOKEN}
    with Server.gunicorn("tests.apps.pid_wsgi:app", workers=4, env=env) as server, httpx.Client() as client:

        def visit(path: str) -> int:
            return int(httpx.get(server.url + path).text)

        def everywhere(path: str) -> set[int]:
            """Visit until each worker has answered."""
            seen: set[int] = set()
            with ThreadPoolExecutor(8) as pool:
                wait_until(lambda: seen.update(pool.map(visit, [path] * 16)) or len(seen) == 4, "all four answer")
            return seen

        def post(path: str, **body: str) -> Any:
            return client.post(f"{server.url}/recorder/captures/{path}", json=body, headers=BEARER).json()

        workers = everywhere("/before")
        capture = post("start", slug="four")
        assert everywhere("/during") == workers
        ended = post("end")
        assert everywhere("/after") == workers
    ids = [capture["capture_id"]]
    tagged: dict[str, set[tuple[str, ...]]] = {}
    for first, last in exchanges(tmp_path / "root" / "_logs"):
        for record in (first, last):
            tagged.setdefault(first["payload"]["path"], set()).add(tuple(record["capture_ids"]))
    del tagged["/"]  # the server was asked whether it is there
    assert tagged == {"/before": {()}, "/during": {tuple(ids)}, "/after": {()}}
    count = sum(ids[0] in event["capture_ids"] for event in events(tmp_path / "root" / "_logs"))
    assert ended["events"] == count
    assert os.getpid() not in workers
