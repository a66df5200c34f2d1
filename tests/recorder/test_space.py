"""Limits of what a log may take: of its directory, and of what is left of the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from recorder import space
from recorder.core import Recorder, Request, get_recorder
from recorder.settings import Settings
from recorder.space import NoSpaceError, Space
from recorder.wsgi import RecorderMiddleware
from tests.recorder.watching import call_wsgi, environ, events, exchanges


def app(made: dict[str, Any], start_response: Any) -> list[bytes]:
    made["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at the directory and the disk every time."""
    for name in ("_FREE_EVERY", "_COUNT_EVERY", "_SHARE"):
        monkeypatch.setattr(space, name, 0)


def status(recorder: Recorder) -> Any:
    request = Request("GET", "/status", "", [("authorization", "Bearer t")])
    return orjson.loads(recorder.respond(request)[2])


def test_a_quota_covers_all_that_is_in_the_directory(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "body").write_bytes(bytes(600))
    limit = Space(tmp_path, quota=1000)
    limit.take(400)
    with pytest.raises(NoSpaceError, match="RECORDER_QUOTA"):
        limit.take(401)
    assert limit.status() == {"used": 600, "quota": 1000}
    (tmp_path / "deep" / "body").unlink()
    limit.take(401)


def test_what_is_written_between_two_counts_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "_COUNT_EVERY", 1000)
    limit = Space(tmp_path, quota=1000)
    limit.take(600)
    with pytest.raises(NoSpaceError):
        limit.take(600)
    limit.take(400)


def test_some_of_the_disk_stays_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 1500
    monkeypatch.setattr(space, "_free", lambda directory: free)
    limit = Space(tmp_path, min_free=1000)
    limit.take(500)
    with pytest.raises(NoSpaceError, match="RECORDER_MIN_FREE"):
        limit.take(501)
    free = 3000
    limit.take(501)
    assert limit.status() == {"free": 3000, "min_free": 1000}


def test_beyond_the_quota_requests_go_on_and_the_loss_is_told(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path, quota=20_000, token="t", key="k")
    recorded, recorder = RecorderMiddleware(app, settings), get_recorder(settings)
    for _ in range(40):
        assert call_wsgi(recorded, environ()).body == b"ok"
    lost, log = recorder.lost, tmp_path / "_logs" / "profile.events.jsonl"
    assert lost > 20
    assert log.stat().st_size <= 20_000
    told = status(recorder)
    assert told["lost"] == lost == sum(told["losses"].values())
    assert "RECORDER_QUOTA" in next(iter(told["losses"]))
    assert told["space"]["quota"] == 20_000
    log.rename(tmp_path / "elsewhere")
    assert call_wsgi(recorded, environ()).body == b"ok"
    (payload,) = [e["payload"] for e in events(tmp_path / "_logs") if e["payload"].get("kind") == "lost"]
    assert payload["count"] == lost
    assert "RECORDER_QUOTA" in payload["reason"]


def test_beyond_the_quota_strict_mode_refuses(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path, quota=6_000, mode="strict", key="k")
    recorded = RecorderMiddleware(app, settings)
    statuses = [call_wsgi(recorded, environ()).status[:3] for _ in range(20)]
    assert statuses[0] == "200"
    assert statuses[-1] == "503"


def test_a_body_beyond_the_quota_is_left_out_and_told(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path, quota=100_000, key="k")
    sent = environ("/", "POST", bytes(range(256)) * 1200, [("Content-Type", "application/octet-stream")])
    assert call_wsgi(RecorderMiddleware(app, settings), sent).body == b"ok"
    ((_, finished),) = exchanges(tmp_path / "_logs")
    assert finished["payload"]["request_body"]["omitted"] == "write_failed"
    lost = events(tmp_path / "_logs")[-1]
    assert lost["payload"] == {"kind": "lost", "count": 1, "reason": "bodies that could not be stored"}
    assert lost["parent_id"] == finished["operation_id"]
    assert not list((tmp_path / "_logs" / "profile.bodies").rglob("*.partial*"))


def test_without_limits_nothing_is_counted(tmp_path: Path) -> None:
    recorder = get_recorder(Settings(root=tmp_path, token="t", key="k"))
    assert recorder.space(tmp_path) is None
    assert status(recorder)["space"] == {}
