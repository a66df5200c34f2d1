"""What belongs to a capture, exactly: under load, with clocks that step, over restarts, with several open at once."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from recorder.captures import Captures, Subject
from recorder.core import Recorder
from recorder.events import Clock
from recorder.manifest import CAPTURES_NAME
from recorder.settings import Settings
from tests.recorder.watching import events, exchanges


class SteppingClock(Clock):
    """A wall clock that somebody sets, an hour on and two back; the monotonic one goes on."""

    def __init__(self) -> None:
        self._chance = random.Random(1)

    def unix_ns(self) -> int:
        return time.time_ns() + self._chance.choice((-7200, 0, 3600)) * 10**9


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path / "root", key="k")


class Visitors:
    """Requests without a pause, from several threads, through two processes' recorders. Notes when each began."""

    def __init__(self, settings: Settings) -> None:
        self.recorders = [Recorder(settings, clock=SteppingClock()) for _ in range(2)]
        self.began: dict[str, tuple[int, int]] = {}
        """Path to the time just before its request began, and just after."""
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(4)
        self._visits = [self._pool.submit(self._visit, number) for number in range(4)]

    def _visit(self, number: int) -> None:
        recorder, count = self.recorders[number % 2], 0
        while not self._over.is_set():
            path, before = f"/{number}/{count}", time.monotonic_ns()
            exchange = recorder.begin("GET", "http", path, "", [], "1.1")
            self.began[path] = before, time.monotonic_ns()
            exchange.response_start(200, [])
            exchange.response_chunk(b"ok", last=True)
            exchange.leave()
            count += 1

    def more(self) -> None:
        """Until a few further requests of each thread were made."""
        wanted = len(self.began) + 24
        while len(self.began) < wanted:
            for visit in self._visits:
                assert not visit.done()
            time.sleep(0.001)

    def end(self) -> None:
        self._over.set()
        for visit in self._visits:
            visit.result(60)
        self._pool.shutdown()


def test_windows_are_exact_whatever_the_clock_says_and_however_many_come(settings: Settings) -> None:
    captures = Captures(Recorder(settings, clock=SteppingClock()))
    visitors = Visitors(settings)
    changes: list[tuple[int, int, bool]] = []
    """When a change was asked for, when it was done, and whether requests are covered after it."""

    def change(what: Any, covered: bool) -> Any:
        visitors.more()
        asked = time.monotonic_ns()
        result = what()
        changes.append((asked, time.monotonic_ns(), covered))
        return result

    capture = change(lambda: captures.start("a", Subject()), True)
    for _ in range(3):
        change(lambda: captures.pause(Subject()), False)
        change(lambda: captures.resume(Subject()), True)
    change(lambda: captures.end(Subject()), False)
    visitors.more()
    visitors.end()
    judged = {True: 0, False: 0}
    for started, finished in exchanges(settings.root / "_logs"):
        assert started["capture_ids"] == finished["capture_ids"]
        covered = started["capture_ids"] == [capture["capture_id"]]
        before, after = visitors.began[started["payload"]["path"]]
        expected = False
        for asked, done, then in changes:
            if before > done:
                expected = then
            elif after > asked:
                break  # it came while the change was made: either is right
        else:
            assert covered is expected
            judged[covered] += 1
            continue
        if after <= asked:
            assert covered is expected
            judged[covered] += 1
    assert min(judged.values()) > 50


def test_each_boundary_is_an_event_in_its_order(settings: Settings) -> None:
    captures = Captures(Recorder(settings, clock=SteppingClock()))
    captures.start("a", Subject(), notes="first")
    captures.pause(Subject(), notes="second")
    captures.resume(Subject())
    capture = captures.end(Subject(), notes="third")
    told = [e for e in events(settings.root / "_logs") if e["payload"]["kind"].startswith("capture_")]
    assert [e["payload"]["kind"].removeprefix("capture_") for e in told] == ["started", "paused", "resumed", "ended"]
    assert [e["payload"]["notes"] for e in told] == ["first", "second", "second", "third"]
    assert [e["mono_ns"] for e in told] == sorted(e["mono_ns"] for e in told)
    assert [e["timestamp"] for e in told] != sorted(e["timestamp"] for e in told)  # the clock was set
    assert capture["windows"] == [[told[0]["id"], told[1]["id"]], [told[2]["id"], told[3]["id"]]]


def test_a_capture_goes_through_every_state_over_restarts(settings: Settings) -> None:
    def fresh() -> Captures:
        return Captures(Recorder(settings))

    capture_id = fresh().start("a", Subject())["capture_id"]
    for state, change in (("paused", "pause"), ("capturing", "resume"), ("paused", "pause"), ("ended", "end")):
        assert fresh().covering(None, None) == ([capture_id] if state != "capturing" and change != "end" else [])
        getattr(fresh(), change)(Subject())
        assert [c["state"] for c in fresh().list()] == [state]
    assert fresh().covering(None, None) == []
    (capture,) = fresh().list()
    assert [None not in window for window in capture["windows"]] == [True, True]


def test_several_at_once_end_each_for_itself(settings: Settings) -> None:
    captures = Captures(Recorder(settings))
    sessions = ["s" * 22, "t" * 22]
    own = [captures.start(f"own-{n}", Subject(None, session)) for n, session in enumerate(sessions)]
    everything = captures.start("all", Subject())
    assert set(captures.covering(None, sessions[0])) == {own[0]["capture_id"], everything["capture_id"]}
    captures.discard(Subject(None, sessions[0]), notes="by mistake")
    assert captures.covering(None, sessions[0]) == [everything["capture_id"]]
    captures.pause(Subject(), everything["capture_id"])
    assert captures.covering(None, sessions[1]) == [own[1]["capture_id"]]
    captures.end(Subject(None, sessions[1]))
    states = {capture["slug"]: (capture["state"], capture["notes"]) for capture in captures.list()}
    assert states == {"own-0": ("discarded", "by mistake"), "own-1": ("ended", ""), "all": ("paused", "")}


def test_the_manifest_is_whole_at_every_moment_and_outlives_those_who_change_it(settings: Settings) -> None:
    """Processes that change it are killed; another reads it all the time, and changes it afterwards."""
    path, chance = settings.root / "_logs" / CAPTURES_NAME, random.Random(5)
    Captures(Recorder(settings)).start("kept", Subject(None, "s" * 22))
    reads = 0
    for _ in range(12):
        child = os.fork()
        if child == 0:  # pragma: no cover
            try:
                captures = Captures(Recorder(settings))
                while True:
                    for each in captures.list():
                        if each["slug"] == "more" and each["state"] in ("capturing", "paused"):
                            captures.discard(Subject(), each["capture_id"])
                    captures.start("more", Subject())
                    captures.pause(Subject())
            finally:
                os._exit(1)
        before, changed = path.read_bytes(), False
        end = time.monotonic() + chance.uniform(0.02, 0.08)
        while time.monotonic() < end or not changed:  # killed somewhere in the middle of many changes
            content = path.read_bytes()
            assert json.loads(content)["captures"][0]["slug"] == "kept"
            changed = changed or content != before
            reads += 1
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert reads > 12
    captures = Captures(Recorder(settings))
    assert captures.end(Subject(None, "s" * 22))["slug"] == "kept"
    kinds = {e["id"] for e in events(settings.root / "_logs")}
    for capture in captures.list():
        for window in capture["windows"]:
            assert window[0] in kinds
