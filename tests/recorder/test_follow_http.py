"""Following a log over HTTP: page by page, waiting for what is not there yet, through rotation and with many files."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest

from recorder import endpoints
from recorder.api import respond
from recorder.core import Recorder, Request, get_recorder
from recorder.log import LOG_NAME
from recorder.settings import Settings
from tests.recorder.rotating import compressed, rotate
from tests.support import wait_until


@pytest.fixture(params=[False, True], ids=["one file", "a file for each process"])
def recorder(tmp_path: Path, request: pytest.FixtureRequest) -> Recorder:
    return get_recorder(Settings(root=tmp_path, token="t", key="k", log_per_process=request.param))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


def ask(recorder: Recorder, query: str) -> Any:
    request = Request("GET", "/events", query, [("authorization", "Bearer t")])
    status, _, body = respond(recorder, request)
    assert status == 200, body
    return orjson.loads(body)


def note(recorder: Recorder, text: str) -> None:
    recorder.emit("system_log", None, {"kind": "error", "where": "x", "message": text})


def messages(page: Any) -> list[str]:
    return [event["payload"].get("message", "opened") for event in page["events"]]


def test_who_waits_is_answered_as_soon_as_something_follows(recorder: Recorder, pool: ThreadPoolExecutor) -> None:
    note(recorder, "first")
    page = ask(recorder, "")
    for number in range(20):
        asked = pool.submit(ask, recorder, f"after={page['next']}&wait=25")
        began = time.monotonic()
        if number % 5 == 4:
            compressed(rotate(recorder.writer(recorder.root_logs).path))
        note(recorder, f"{number}")
        page = asked.result(20)
        assert messages(page) == [f"{number}"]
        assert time.monotonic() - began < 20


def test_who_waits_for_nothing_is_told_so_in_time(recorder: Recorder) -> None:
    note(recorder, "first")
    page = ask(recorder, "")
    began = time.monotonic()
    again = ask(recorder, f"after={page['next']}&wait=0.2")
    assert 0.2 <= time.monotonic() - began < 20
    assert again["events"] == []
    note(recorder, "second")
    assert messages(ask(recorder, f"after={again['next']}")) == ["second"]


def test_a_log_that_is_not_there_yet_can_be_waited_for(recorder: Recorder, pool: ThreadPoolExecutor) -> None:
    asked = pool.submit(ask, recorder, "wait=25")
    note(recorder, "first")
    assert messages(asked.result(20))[0] == "opened"


def test_more_than_a_few_do_not_wait(
    recorder: Recorder, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server has few threads, and those who follow are not to take them all."""
    monkeypatch.setattr(endpoints, "WAITERS", threading.BoundedSemaphore(1))
    note(recorder, "first")
    page = ask(recorder, "")
    first = pool.submit(ask, recorder, f"after={page['next']}&wait=25")
    wait_until(lambda: not endpoints.WAITERS._value, "the first one waits")
    assert ask(recorder, f"after={page['next']}&wait=25")["events"] == []
    note(recorder, "second")
    assert messages(first.result(20)) == ["second"]


def test_a_follower_misses_nothing_while_the_log_is_rotated(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    recorder = get_recorder(Settings(root=tmp_path, token="t", key="k"))
    note(recorder, "first")

    def write() -> None:
        for number in range(300):
            note(recorder, f"{number}")
            if number % 60 == 30:
                compressed(rotate(tmp_path / "_logs" / LOG_NAME))

    writing = pool.submit(write)
    seen: dict[str, str] = {}
    after = ""
    while not (writing.done() and "299" in seen.values()):
        page = ask(recorder, f"limit=50&wait=1{after}")
        seen |= {event["id"]: event["payload"].get("message", "opened") for event in page["events"]}
        after = f"&after={page['next']}"
    assert sorted(seen.values()) == sorted(["opened", "first", *map(str, range(300))])
