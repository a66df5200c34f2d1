"""What a page reports over `POST events`, from outside: joined to the requests it names, redacted, and held to limits."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.recorder.watching import events, exchanges, on_disk
from tests.support import Server

TOKEN = "operator-token-1234567890"
SERVERS: dict[str, Callable[[dict[str, str]], Server]] = {
    "gunicorn, 2 workers": lambda env: Server.gunicorn("tests.apps.pid_wsgi:app", workers=2, env=env),
    "uvicorn": lambda env: Server.uvicorn("tests.recorder.site_wire:asgi", env=env, path="/health"),
}


def call(server: Server, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request("POST" if body is not None else "GET", path, body, sent)
        answer = connection.getresponse()
        content = answer.read()
        return (
            answer.status,
            {header.lower(): value for header, value in answer.getheaders()},
            json.loads(content) if path.startswith("/recorder") else content,
        )
    finally:
        connection.close()


@pytest.mark.parametrize("name", SERVERS)
def test_a_page_and_its_requests(name: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    with SERVERS[name]({"RECORDER_ROOT": str(root), "RECORDER_TOKEN": TOKEN, "HEARD": "unused"}) as server:

        def report(batch: object, **more: str) -> tuple[int, Any, Any]:
            body = batch if isinstance(batch, bytes) else json.dumps(batch).encode()
            return call(server, "/recorder/events", body, Authorization=f"Bearer {TOKEN}", **more)

        for number in range(6):
            told = f"page-{number}; viewport=1280x720; theme=dark"
            assert call(server, f"/asked/{number}", X_Recorder_Request=told)[0] == 200
        batch = [{"kind": "fetch", "request": f"page-{number}", "ms": 3.5} for number in range(6)]
        assert report(batch)[::2] == (202, {"stored": 6})
        others = [{"kind": "fetch", "request": "page-unheard-of"}, {"kind": "theme", "request": 7}, {"kind": "click"}]
        assert report(others)[::2] == (202, {"stored": 3})
        secrets = {
            "kind": "fetch",
            "url": "https://x.example/a?token=Xy7-canary-0001&page=2",
            "form": {"password": "Xy7-canary-0002"},
            "deep": [{"headers": {"Authorization": "Bearer Xy7-canary-0003-abcdefgh"}}],
            "message": "failed with api_key=Xy7-canary-0004",
        }
        assert report([secrets])[0] == 202

        # A batch that is none gets a sentence, and nothing of it is stored.
        for wrong, status, sentence in (
            (b"{", 400, "The body is not JSON"),
            (b"7", 400, "must be a JSON object"),
            ({"events": 7}, 422, "events must be a list of objects, each with a kind of at most 64 characters."),
            ([{"kind": "ok"}, {"no": "kind"}], 422, "each with a kind"),
            ({"event": []}, 422, "'event' is not known; did you mean 'events'?"),
            ([{"kind": "x"}] * 101, 413, "A batch may hold 100 events; this one holds 101."),
            ([{"kind": "x", "long": "y" * 65_536}], 413, "64 KiB"),
        ):
            found, _, answer = report(wrong)
            assert (found, sentence in answer["error"]) == (status, True), answer
        assert call(server, "/recorder/events", b"[]")[0] == 403

        # Who floods is told when to come back. (Each process counts for itself.)
        answers = [report([{"kind": "flood"}] * 100) for _ in range(12)]
        assert {answer[0] for answer in answers} == {202, 429}
        refused = next(answer for answer in answers if answer[0] == 429)
        assert 1 <= int(refused[1]["retry-after"]) <= 6
        assert refused[2]["error"].startswith("Too many events; send the next in ")

    logs = root / "_logs"
    operations = {first["payload"]["path"]: first["operation_id"] for first, _ in exchanges(logs)}
    stored = [event["payload"] for event in events(logs, "system_log") if event["payload"]["kind"] == "browser"]
    stored = [payload for payload in stored if payload["reported"]["kind"] != "flood"]
    assert [payload["operation_id"] for payload in stored] == [
        *(operations[f"/asked/{number}"] for number in range(6)),
        *(None, None, None, None),
    ]
    first = exchanges(logs)[1][0]
    assert (first["session"]["viewport"], first["session"]["theme"]) == ("1280x720", "dark")
    assert stored[0]["reported"] == {"kind": "fetch", "request": "page-0", "ms": 3.5}
    assert "page=2" in stored[-1]["reported"]["url"]
    assert b"canary" not in on_disk(tmp_path)
