"""What an earlier recording left in the same log explains nothing in the next one, but for the client's own login."""

from __future__ import annotations

from pathlib import Path

from assembler import assemble
from assembler.document import load_profile
from assembler.profile import Profile
from recorder.captures import Captures, Subject
from recorder.core import Recorder
from recorder.settings import Settings
from tests.assembler.recorded import FORM, HOST, PAGE


def send(
    recorder: Recorder, agent: str, method: str, path: str, answer: str, *, body: str = "", **headers: str
) -> None:
    sent = [HOST, ("user-agent", agent), *((n.replace("_", "-"), v) for n, v in headers.items() if n != "location")]
    exchange = recorder.begin(method, "http", path, "", [*sent, *([FORM] if body else [])], "1.1")
    if body:
        exchange.request_chunk(body.encode())
    location = [("location", headers["location"])] if "location" in headers else []
    exchange.response_start(302 if location else 200, [PAGE, *location])
    exchange.response_chunk(answer.encode(), last=True)
    exchange.finish()


def order(recorder: Recorder, agent: str) -> None:
    """The same work in each recording: on a database that was reset, with the same counted ids."""
    send(recorder, agent, "GET", "/orders/new/", "<form action='/orders/'><input name=customer></form>")
    send(recorder, agent, "POST", "/orders/", "", body="customer=Ada", location="/orders/1/")
    send(recorder, agent, "GET", "/orders/1/", "<h1>Order 1 of Ada</h1><a href='/orders/1/notes/'>notes</a>")
    send(recorder, agent, "GET", "/orders/1/notes/", "none")


def second_recording(folder: Path, agents: tuple[str, str]) -> Profile:
    recorder = Recorder(Settings.from_env({"RECORDER_ROOT": str(folder / "recorder")}))
    captures = recorder.captures
    assert isinstance(captures, Captures)
    for slug, agent in zip(("first", "second"), agents, strict=True):
        capture = captures.start(slug, Subject(None, None, None), "all", "")
        order(recorder, agent)
        captures.end(Subject(None, None, None), capture["capture_id"])
    status = assemble(folder / "recorder", "second", folder / "data")
    return load_profile(status.directory / "profile.yaml")


def test_a_second_recording_stands_on_its_own(tmp_path: Path) -> None:
    for agents in (("one", "two"), ("one", "one")):
        profile = second_recording(tmp_path / agents[1], agents)
        assert profile.prologue == []
        assert [step.method for step in profile.steps] == ["GET", "POST", "GET", "GET"]
        created = profile.steps[1]
        name = next(iter(created.extract))
        assert created.extract[name].header == "location"
        assert profile.steps[2].path == f"/orders/{{{{ steps.{created.id}.{name} }}}}/"


def test_what_the_environment_recorded_ends_when_it_is_assembled(tmp_path: Path) -> None:
    settings = Settings.from_env({"RECORDER_ROOT": str(tmp_path / "recorder"), "RECORDER_CAPTURE": "work"})
    for count in (4, 4):
        recorder = Recorder(settings)
        recorder.attach()
        order(recorder, "one")
        status = assemble(tmp_path / "recorder", "work", tmp_path / "data")
        assert status.steps == count
        assert not any("still open" in warning for warning in status.warnings)
        later = Recorder(Settings.from_env({"RECORDER_ROOT": str(tmp_path / "recorder")}))
        order(later, "the replay of a server that shares the folder")
        assert assemble(tmp_path / "recorder", "work", tmp_path / "data", rebuild=True).steps == count
