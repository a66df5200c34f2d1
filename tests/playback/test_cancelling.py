"""A run that is cancelled before its first step ends soon, whatever it was at; and one that is only slow goes on."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from playback.clone import clone
from playback.engine import Options, replay
from playback.errors import Unjudgeable
from playback.report import Report
from playback.runs import Run
from tests.playback.site import PAGE, Answer, Site, profile

IN_A_MOMENT = 30.0  # seconds; nothing that is waited for below ends by itself in four times as many
FOR_EVER = 120.0
FAR = "http://shop.example:8000"
DOCUMENT = """
metadata: {slug: shop, run: clone}
steps:
  - {id: sleep, action: command, command: [sleep, "0"]}
"""
FORM = '<form action="/login" method="post"><input name="email"><input type="password" name="password"></form>'


@pytest.fixture
def site() -> Iterator[Site]:
    with Site({"/login": lambda sent: Answer(FORM if not sent else "welcome", PAGE)}) as site:
        yield site


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whom the run asks may be silent for long."""
    monkeypatch.setattr("playback.target.ASK", FOR_EVER)
    monkeypatch.setattr("playback.job_sources._SILENCE", FOR_EVER)


@contextlib.contextmanager
def silent(heard: Callable[[], None] = lambda: None) -> Iterator[int]:
    """The port of somebody who takes connections and says nothing; `heard` is called when there is a first one."""

    def listen() -> None:
        with contextlib.suppress(OSError):
            connections.append(server.accept()[0])
            heard()

    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1]
    for connection in connections:
        connection.close()


class Cancelled(threading.Event):
    """Set by what the run comes to; `reached` says when."""

    def reached(self, *args: Any) -> None:
        self.at = time.monotonic()
        self.set()


def ended(tmp_path: Path, url: str, environ: dict[str, str], cancelled: Cancelled, text: str = DOCUMENT) -> Report:
    """The report of a run that was cancelled on its way, which was soon after."""
    profile(tmp_path, text, {"seed/run/main.cfg": "[run]\n"})
    report = replay(
        "shop", tmp_path, Options(url), {"PROFILE_PLAYBACK_COMMANDS": "sleep", **environ}, cancelled=cancelled
    )
    assert time.monotonic() - cancelled.at < IN_A_MOMENT
    assert (report.result, report.error) == ("interrupted", None)
    assert {step.result for step in report.steps} <= {"skipped"}
    assert [p for p in (tmp_path / "playback_runs").iterdir() if not p.name.startswith(".")] == []
    return report


def waiting(cancelled: Cancelled) -> tuple[Callable[[str], Answer], threading.Event]:
    """A route that cancels when it is asked, and answers when all is over."""
    over = threading.Event()

    def route(sent: str) -> Answer:
        cancelled.reached()
        over.wait(FOR_EVER)
        return Answer("late", PAGE)

    return route, over


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("path", ["/recorder/status", "/login"])
def test_while_the_target_is_asked(tmp_path: Path, site: Site, path: str) -> None:
    """By the question which environment it is, and by the login that a profile without one gets."""
    cancelled = Cancelled()
    site.routes[path], over = waiting(cancelled)
    ended(tmp_path, site.url, {"ADMIN_EMAIL": "ada@example.org", "ADMIN_PASSWORD": "swordfish"}, cancelled)
    over.set()


@pytest.mark.usefixtures("patient")
def test_while_the_login_is_sent(tmp_path: Path, site: Site) -> None:
    cancelled = Cancelled()
    posted, over = waiting(cancelled)
    site.routes["/login"] = lambda sent: posted(sent) if sent else Answer(FORM, PAGE)
    ended(tmp_path, site.url, {"ADMIN_EMAIL": "ada@example.org", "ADMIN_PASSWORD": "swordfish"}, cancelled)
    over.set()


@pytest.mark.usefixtures("patient")
def test_while_redis_is_asked_for_workers(tmp_path: Path, site: Site) -> None:
    cancelled = Cancelled()
    with silent(cancelled.reached) as port:
        text = DOCUMENT.replace("run: clone", "run: clone, rq_required: true")
        ended(tmp_path, site.url, {"REDIS_URL": f"redis://127.0.0.1:{port}"}, cancelled, text)


def test_while_a_name_is_looked_up(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has begun then: there is no report but the service's own."""
    profile(tmp_path, DOCUMENT, {"seed/run/main.cfg": "[run]\n"})
    run = Run("shop", Options(FAR), {"PROFILE_PLAYBACK_ALLOWED_ORIGINS": FAR})
    over = threading.Event()

    def slow(*args: Any, **more: Any) -> Any:
        run.cancelled.set()
        over.wait(FOR_EVER)
        raise OSError("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    began = time.monotonic()
    run.replay(tmp_path)
    over.set()
    assert time.monotonic() - began < IN_A_MOMENT
    assert run.state == "interrupted"
    assert run.report is not None
    assert run.report.error == "The run was cancelled before its first step."


@pytest.mark.parametrize("ranges", [True, False])
def test_while_the_seed_is_cloned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ranges: bool) -> None:
    """Between two files, and within a large one."""
    seed, cancelled, copied = tmp_path / "seed", threading.Event(), []
    seed.mkdir()
    for number in range(40):
        (seed / f"{number}.dat").write_bytes(b"x" * 100)
    real = os.copy_file_range

    def copy(reading: int, writing: int, count: int) -> int:
        copied.append(reading)
        cancelled.set()
        if not ranges:
            raise OSError(22, "no ranges")
        return real(reading, writing, min(count, 10))

    monkeypatch.setattr(os, "copy_file_range", copy)
    with pytest.raises(Unjudgeable, match="cancelled"):
        clone(seed, tmp_path / "runs" / "x", cancelled)
    assert len(copied) <= 4, "one for each thread"
    assert list((tmp_path / "runs").iterdir()) == []


def test_before_anything(tmp_path: Path, site: Site) -> None:
    cancelled = Cancelled()
    cancelled.reached()
    profile(tmp_path, DOCUMENT, {"seed/run/main.cfg": "[run]\n"})
    run = Run("shop", Options(site.url), {})
    run.cancelled.set()
    run.replay(tmp_path)
    assert (run.state, run.report and run.report.steps) == ("interrupted", [])


def test_who_is_slow_is_waited_for(tmp_path: Path, site: Site) -> None:
    """A check before the first step that takes its time is no reason to end."""
    profile(tmp_path, DOCUMENT, {"seed/run/main.cfg": "[run]\n"})

    def slow(sent: str) -> Answer:
        time.sleep(0.5)
        return Answer("", status=404)

    site.routes["/recorder/status"] = slow
    assert replay("shop", tmp_path, Options(site.url), {"PROFILE_PLAYBACK_COMMANDS": "sleep"}).result == "passed"


def test_a_redis_that_is_silent_is_none(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playback.job_sources._SILENCE", 0.2)
    profile(tmp_path, DOCUMENT.replace("run: clone", "run: clone, rq_required: true"), {"seed/run/main.cfg": "[run]\n"})
    with silent() as port:
        report = replay("shop", tmp_path, Options(site.url), {"REDIS_URL": f"redis://127.0.0.1:{port}"})
    assert report.result == "error"
    assert "does not answer" in (report.error or "")
