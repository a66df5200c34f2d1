"""HTTP as it was: what an application can be sent reaches it again byte for byte, on ASGI and on WSGI."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from assembler import assemble
from assembler.document import load_profile
from assembler.profile import Step
from assembler.promote import promote
from playback.engine import Options, replay
from playback.report import Report
from playback.summary import render
from recorder.asgi import RecorderMiddleware
from recorder.settings import Settings
from tests.apps import wire_drive
from tests.recorder.watching import call_asgi, scope
from tests.support import Server

SLUG = "wire"
SECRETS = {"PROFILE_SECRET_PASSWORD": wire_drive.PASSWORD}
MUTANTS = {
    1: "ranges are ignored",
    2: "nothing is ever unchanged",
    3: "a cookie's path is forgotten",
    4: "a redirect keeps no method",
    5: "parts of an upload are sorted",
    6: "an event of a stream is lost",
    7: "a compressed body is read as it came",
}


@dataclass(frozen=True)
class Recorded:
    """A data root with the promoted profile, and the servers that it can be replayed against."""

    root: Path
    serve: Callable[..., Server]
    app: str

    def replayed(self, **env: str) -> Report:
        with self.serve(self.app, env=env, path="/health") as server:
            return replay(SLUG, self.root, Options(base_url=server.url), SECRETS)

    def step(self, name: str) -> Step:
        profile = load_profile(self.root / "profiles" / SLUG / "profile.yaml")
        return next(step for step in profile.steps if step.id == name)


@pytest.fixture(scope="module", params=["uvicorn", "gunicorn"])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    root = tmp_path_factory.mktemp(request.param)
    serve, app = (
        (Server.uvicorn, "tests.apps.wire_asgi:app")
        if request.param == "uvicorn"
        else (Server.gunicorn, "tests.apps.wire_wsgi:app")
    )
    env = {"RECORDER_ROOT": str(root / "recorder"), "RECORDER_CAPTURE": SLUG, "WRAPPED_APP": app}
    with serve("tests.apps.wrapped:app", env=env, path="/health") as server:
        wire_drive.drive(server.url)
    status = assemble(root / "recorder", SLUG, root / "data")
    assert status.problems == ()
    promote(SLUG, root / "data")
    return Recorded(root / "data", serve, app)


def test_everything_arrives_as_it_was(recorded: Recorded) -> None:
    report = recorded.replayed()
    assert report.result == "passed", render(report)
    assert len(report.steps) >= 34


@pytest.mark.parametrize("mutant", MUTANTS, ids=MUTANTS.values())
def test_what_reaches_it_in_another_way_is_red(recorded: Recorded, mutant: int) -> None:
    assert recorded.replayed(MUTANT=str(mutant)).result == "failed"


def test_a_stream_that_its_reader_left_is_named_in_the_report(recorded: Recorded) -> None:
    report = recorded.replayed()
    assert report.notes == ["Not replayed: the event stream /events/forever."]
    assert not any("forever" in step.path for step in report.steps)
    assert "Note: Not replayed: the event stream /events/forever." in render(report)


def test_a_profile_shows_compressed_texts_as_texts(recorded: Recorded) -> None:
    step = recorded.step("post-received-2")
    assert step.headers["content-encoding"] == "gzip"
    assert step.json_ is not None
    assert step.json_.startswith('{"rows"')


def test_a_websocket_is_named_in_draft_and_report(tmp_path: Path) -> None:
    async def app(scope: object, receive: object, send: Callable[..., object]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[misc]
        await send({"type": "http.response.body", "body": b"hello"})  # type: ignore[misc]

    settings = Settings.from_env({"RECORDER_ROOT": str(tmp_path / "recorder"), "RECORDER_CAPTURE": SLUG})
    wrapped = RecorderMiddleware(app, settings)  # type: ignore[arg-type]
    call_asgi(wrapped, scope("/"))
    opened = {"type": "websocket", "path": "/live", "query_string": b"token=abc", "headers": []}

    async def nothing(message: object = None) -> dict[str, object]:
        return {"type": "websocket.connect"}

    asyncio.run(wrapped(opened, nothing, nothing))  # type: ignore[arg-type]
    status = assemble(tmp_path / "recorder", SLUG, tmp_path)
    assert status.warnings == (
        "The websocket /live was opened; what went through it is not recorded and is not replayed.",
    )
    promote(SLUG, tmp_path)
    report = replay(SLUG, tmp_path, Options(base_url="http://127.0.0.1:1", dry_run=True), {})
    assert report.notes == ["Not replayed: the websocket /live."]
