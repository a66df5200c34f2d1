"""What goes on when its reader has left: websockets on a WSGI server, and event streams that answer a request which acts."""

from __future__ import annotations

import base64
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from assembler import assemble
from assembler.document import load_profile
from assembler.promote import promote
from playback.engine import Options, replay
from playback.report import Report
from tests.support import Server

SLUG = "live"


def websocket(url: str) -> bytes:
    """All that the server says on a websocket (RFC 6455)."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), 60) as connection:
        key = base64.b64encode(os.urandom(16)).decode()
        head = f"GET /live?token=abc HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        connection.sendall(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        said = b""
        while not said.endswith(b"\x88\x00") and (received := connection.recv(1000)):
            said += received
        return said


@dataclass(frozen=True)
class Recorded:
    """A data root with the promoted profile."""

    root: Path
    warnings: tuple[str, ...]

    def replayed(self, **env: str) -> Report:
        with Server.gunicorn("tests.apps.live_wsgi:app", options=["--threads", "4"], env=env) as server:
            return replay(SLUG, self.root, Options(base_url=server.url), {})


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    root = tmp_path_factory.mktemp("live")
    env = {"RECORDER_ROOT": str(root / "recorder"), "RECORDER_CAPTURE": SLUG, "WRAPPED_APP": "tests.apps.live_wsgi:app"}
    with (
        Server.gunicorn("tests.apps.wrapped:app", options=["--threads", "4"], env=env) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        client.get("/page").raise_for_status()
        assert websocket(server.url).endswith(b"\x81\x05hello\x88\x00")
        with client.stream("POST", "/talk", json={"say": "hello"}) as answer:
            events = answer.iter_lines()
            while next(events) != "data: 5":
                pass
        client.get("/after").raise_for_status()
    status = assemble(root / "recorder", SLUG, root)
    assert status.problems == ()
    promote(SLUG, root)
    return Recorded(root, status.warnings)


def test_a_websocket_is_skipped_with_a_note(recorded: Recorded) -> None:
    assert (
        "The websocket /live was opened; what went through it is not recorded and is not replayed." in recorded.warnings
    )
    report = recorded.replayed()
    assert "Not replayed: the websocket /live." in report.notes
    assert not any("/live" in step.path for step in report.steps)


def test_a_stream_that_answers_what_acts_is_left_where_its_reader_left(recorded: Recorded) -> None:
    """The request did something, so it is sent; its answer has no end that could be waited for."""
    (step,) = [s for s in load_profile(recorded.root / "profiles" / SLUG / "profile.yaml").steps if s.path == "/talk"]
    assert step.leave is not None
    assert step.leave.bytes > 0
    report = recorded.replayed()
    assert report.result == "passed", report.as_json()
    (talk,) = [s for s in report.steps if s.path == "/talk"]
    assert talk.status == 200
    assert "as its reader did" in (talk.note or "")
    assert report.duration_s < 40  # a step may take a minute


@pytest.mark.parametrize(("mutant", "where"), [("1", "body"), ("2", "status")])
def test_a_stream_that_is_another_one_is_red_and_hangs_nobody(recorded: Recorded, mutant: str, where: str) -> None:
    report = recorded.replayed(MUTANT=mutant)
    assert (report.result, report.failing_step) == ("failed", "post-talk")
    assert [m.where for m in next(s for s in report.steps if s.id == "post-talk").mismatches] == [where]
    assert report.duration_s < 50
