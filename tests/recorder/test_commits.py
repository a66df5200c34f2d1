"""RECORDER_FSYNC=always: no answer leaves before its record is on the disk, and those who wait together share a flush."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recorder import log
from recorder.asgi import RecorderMiddleware as Asgi
from recorder.commits import Commits
from recorder.core import get_recorder
from recorder.events import envelope
from recorder.log import Writer
from recorder.settings import Settings
from recorder.wsgi import RecorderMiddleware as Wsgi
from tests.recorder.watching import call_wsgi, environ, events, scope
from tests.support import wait_until


class Disk:
    """Notes how much of the log is on the disk. `held`: flushing waits until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.flushes = 0
        self.durable = 0
        """Bytes."""
        self.begun, self.go = threading.Event(), threading.Event()
        self.go.set()
        self.threads: set[int] = set()
        monkeypatch.setattr(log.os, "fdatasync", self.flush)

    def flush(self, descriptor: int) -> None:
        self.flushes += 1
        self.threads.add(threading.get_ident())
        size = os.fstat(descriptor).st_size
        self.begun.set()
        assert self.go.wait(60)
        self.durable = max(self.durable, size)


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop go on until it is so."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path, fsync=True, key="k")


def test_threads_that_wait_together_share_a_flush(tmp_path: Path, disk: Disk) -> None:
    writer = Writer(tmp_path / "_logs", tmp_path, fsync=True)
    disk.go.clear()
    threads = [threading.Thread(target=writer.append, args=(envelope("system_log", None, {}),)) for _ in range(9)]
    threads[0].start()
    assert disk.begun.wait(60)
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: writer._commits and writer._commits._written == 10, "they all wait")  # opened, and nine records
    assert writer.path.read_bytes().count(b"\n\n") == 9
    assert all(thread.is_alive() for thread in threads)
    disk.go.set()
    for thread in threads:
        thread.join(60)
    assert disk.flushes == 2  # that of the first, and one for all who came meanwhile
    assert disk.durable == writer.path.stat().st_size


def test_no_answer_of_a_wsgi_application_leaves_before_its_record_is_on_the_disk(
    settings: Settings, disk: Disk
) -> None:
    def app(made: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    wrapped = Wsgi(app, settings)
    for number in range(1, 4):
        assert call_wsgi(wrapped, environ()).body == b"ok"
        assert disk.durable == (settings.root / "_logs" / log.LOG_NAME).stat().st_size
        assert disk.flushes == number  # the first record goes with the last


def test_no_answer_of_an_asgi_application_leaves_before_and_the_event_loop_goes_on(
    settings: Settings, disk: Disk
) -> None:
    path = settings.root / "_logs" / log.LOG_NAME

    async def app(made: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    wrapped, answered = Asgi(app, settings), list[int]()

    async def one() -> None:
        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.body":
                answered.append(disk.durable)

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b""}

        await wrapped(scope(), receive, send)

    async def eight() -> None:
        disk.go.clear()
        tasks = [asyncio.create_task(one()) for _ in range(8)]
        await until(disk.begun.is_set)
        assert answered == []
        await until(lambda: path.read_bytes().count(b'"stage":"finished"') == 8)  # the others go on meanwhile
        disk.go.set()
        await asyncio.gather(*tasks)

    asyncio.run(eight())
    text = path.read_bytes()
    assert len(answered) == 8
    assert all(durable >= text.index(b'"stage":"finished"') for durable in answered)
    assert disk.durable == len(text)
    assert disk.flushes <= 3
    assert threading.get_ident() not in disk.threads


def test_what_the_disk_refuses_is_counted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    writer = Writer(settings.root / "_logs", settings.root, fsync=True)
    assert writer.append(envelope("system_log", None, {"kind": "error"}))
    with monkeypatch.context() as broken:
        broken.setattr(log.os, "fdatasync", refuse)
        assert not writer.append(envelope("system_log", None, {"kind": "error"}))
    assert writer.losses == {"fdatasync: Input/output error": 1}
    assert writer.append(envelope("system_log", None, {"kind": "error"}))
    assert [e["payload"] for e in events(settings.root / "_logs")][-2]["kind"] == "lost"


@pytest.mark.parametrize("protocol", ["WSGI", "ASGI"])
def test_strict_mode_handles_nothing_whose_first_record_is_not_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    settings, handled = Settings(root=tmp_path, fsync=True, mode="strict", key="k"), list[str]()

    def wsgi(made: dict[str, Any], start_response: Any) -> list[bytes]:
        handled.append("wsgi")
        start_response("200 OK", [])
        return [b"ok"]

    async def asgi(made: Any, receive: Any, send: Any) -> None:
        handled.append("asgi")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    def ask() -> int:
        if protocol == "WSGI":
            return int(call_wsgi(Wsgi(wsgi, settings), environ()).status[:3])
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        asyncio.run(Asgi(asgi, settings)(scope(), None, send))  # type: ignore[arg-type]
        return int(sent[0]["status"])

    def refuse(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    assert (ask(), len(handled)) == (200, 1)
    with monkeypatch.context() as broken:
        broken.setattr(log.os, "fdatasync", refuse)
        assert (ask(), len(handled)) == (503, 1)
    assert (ask(), len(handled)) == (200, 2)
    assert get_recorder(settings).lost > 0


def test_who_stops_waiting_takes_nobody_along() -> None:
    """A task that is cancelled while it waits for a flush that others wait for, too."""
    begun, go = threading.Event(), threading.Event()

    def flush() -> None:
        begun.set()
        assert go.wait(60)

    async def both() -> None:
        commits = Commits(flush)
        commits.wrote()
        first, second = (asyncio.create_task(commits.settle()) for _ in range(2))
        await until(begun.is_set)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        go.set()
        await asyncio.wait_for(second, 60)

    asyncio.run(both())
