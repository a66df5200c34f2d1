"""Being told of news: at once where the system tells, soon where it does not, and always in the end."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from recorder import notices
from recorder.events import envelope
from recorder.log import LOG_NAME, Writer
from recorder.notices import Notices
from recorder.tail import tail
from tests.recorder.rotating import rotate

FOR_EVER = 600.0  # seconds; whoever waits for a message gives up long before


class Follower:
    """Follows a log in a thread; `seen` are the messages."""

    def __init__(self, log: Path) -> None:
        self.seen: list[str] = []
        self._news = threading.Condition()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, args=(log,))

    def _follow(self, log: Path) -> None:
        for _, event in tail(log, stop=self._over.is_set):
            assert isinstance(event, dict)
            with self._news:
                self.seen.append(event["payload"].get("message", "opened"))
                self._news.notify_all()

    def wait_for(self, message: str) -> None:
        with self._news:
            assert self._news.wait_for(lambda: message in self.seen, timeout=60), self.seen

    def end(self, writer: Writer) -> None:
        note(writer, "end")
        self.wait_for("end")
        self._over.set()
        (writer.path.parent / "over").touch()  # wakes it
        self._thread.join(60)
        assert not self._thread.is_alive()

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None: ...


def note(writer: Writer, text: str) -> None:
    assert writer.append(envelope("system_log", None, {"kind": "error", "message": text}))


@pytest.fixture
def no_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks without being told."""
    monkeypatch.setattr(Notices.wait, "__kwdefaults__", {"news": False, "longest": FOR_EVER})


@pytest.mark.usefixtures("no_looks")
def test_a_reader_is_told_at_once_and_through_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "SHORTEST", FOR_EVER)
    writer = Writer(tmp_path / "_logs", tmp_path)
    note(writer, "first")
    with Follower(writer.path) as follower:
        follower.wait_for("first")
        for number in range(200):
            note(writer, f"{number}")
            follower.wait_for(f"{number}")
            if number % 50 == 49:
                rotate(writer.path)
        follower.end(writer)
    assert follower.seen == ["opened", "first", *map(str, range(200)), "end"]


@pytest.mark.usefixtures("no_looks")
def test_a_folder_that_is_replaced_is_watched_anew(tmp_path: Path) -> None:
    told = Notices(tmp_path / "logs")
    (tmp_path / "logs").mkdir()
    told.wait()  # from here on it is watched
    (tmp_path / "logs" / "a").touch()
    told.wait()
    (tmp_path / "logs").rename(tmp_path / "old")
    told.wait()
    (tmp_path / "logs").mkdir()
    told.wait()
    (tmp_path / "logs" / "b").touch()
    began = time.monotonic()
    told.wait()
    told.close()
    assert time.monotonic() - began < FOR_EVER / 10


@pytest.mark.usefixtures("no_looks")
def test_a_folder_that_appears_is_told(tmp_path: Path) -> None:
    told = Notices(tmp_path / "logs")
    told.wait(longest=0.01)  # from here on it is waited for
    began = time.monotonic()
    (tmp_path / "another").mkdir()
    told.wait()
    (tmp_path / "logs").mkdir()
    told.wait()
    told.wait()  # from here on it is watched
    (tmp_path / "logs" / "a").touch()
    told.wait()
    told.close()
    assert time.monotonic() - began < FOR_EVER / 2


def test_without_notices_files_are_looked_at_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_libc", lambda: None)
    writer = Writer(tmp_path / "_logs", tmp_path)
    note(writer, "first")
    with Follower(writer.path) as follower:
        for number in range(20):
            note(writer, f"{number}")
            follower.wait_for(f"{number}")
        follower.end(writer)
    assert follower.seen == ["opened", "first", *map(str, range(20)), "end"]


def test_what_nobody_tells_is_found_by_looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a network file system: the folder can be watched, and another machine writes."""

    class Deaf:
        def poll(self, milliseconds: float) -> list[Any]:
            time.sleep(milliseconds / 1000)
            return []

        def register(self, *_: object) -> None: ...

    monkeypatch.setattr(notices.select, "poll", Deaf)
    writer = Writer(tmp_path / "_logs", tmp_path)
    note(writer, "first")
    with Follower(writer.path) as follower:
        follower.wait_for("first")
        note(writer, "second")
        follower.wait_for("second")
        follower.end(writer)


def test_waiting_costs_next_to_nothing(tmp_path: Path) -> None:
    """Few looks, and a small part of a processor. (What it is exactly, `benchmarks/recorder.py` says.)"""
    writer = Writer(tmp_path / LOG_NAME, tmp_path)
    note(writer, "first")
    list(tail(writer.path, stop=lambda: True))  # what is imported is imported
    looks, began, worked = 0, time.monotonic(), time.thread_time()

    def over() -> bool:
        nonlocal looks
        looks += 1
        return time.monotonic() - began > 2

    for _ in tail(writer.path, stop=over):
        pass
    passed = time.monotonic() - began
    assert looks <= passed / notices.LONGEST + 5
    assert (time.thread_time() - worked) / passed < 0.05
