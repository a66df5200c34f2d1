"""Recordings made in process: requests and answers as a client would have sent and got them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assembler import assemble
from assembler.document import load_profile
from assembler.profile import Profile
from recorder.core import Recorder
from recorder.events import Clock
from recorder.settings import Settings

HOST = ("host", "127.0.0.1:8000")
FORM = ("content-type", "application/x-www-form-urlencoded")
JSON = ("content-type", "application/json")
PAGE = ("content-type", "text/html; charset=utf-8")


@dataclass(frozen=True)
class Call:
    """One request and its answer. `pause` is the seconds of the client's clock that pass before it."""

    method: str
    path: str
    answer: str = ""
    status: int = 200
    kind: tuple[str, str] = PAGE
    headers: Sequence[tuple[str, str]] = ()
    sent: Sequence[tuple[str, str]] = ()
    body: str = ""
    pause: float = 0.0


def get(path: str, answer: str, **rest: Any) -> Call:
    """A page."""
    return Call("GET", path, answer, **rest)


def api(method: str, path: str, answer: str, body: str = "", **rest: Any) -> Call:
    """A JSON call."""
    return Call(method, path, answer, kind=JSON, sent=[JSON], body=body, **rest)


def form(path: str, body: str, answer: str = "", **rest: Any) -> Call:
    """A form that is sent."""
    return Call("POST", path, answer, sent=[FORM], body=body, **rest)


class OwnTime(Clock):
    """Passes a little at every look, and as told; how fast the machine is does not count."""

    def __init__(self) -> None:
        self._unix, self._mono, self.passed = time.time_ns(), time.monotonic_ns(), 0

    def unix_ns(self) -> int:
        return self._unix + self.passed

    def mono_ns(self) -> int:
        self.passed += 100_000
        return self._mono + self.passed


def profile_of(folder: Path, calls: Iterable[Call]) -> Profile:
    """The draft that the assembler makes of `calls`."""
    settings = Settings.from_env({"RECORDER_ROOT": str(folder / "recorder"), "RECORDER_CAPTURE": "draft"})
    clock = OwnTime()
    recorder = Recorder(settings, clock=clock)
    recorder.attach()
    for call in calls:
        clock.passed += int(call.pause * 1e9)
        path, _, query = call.path.partition("?")
        length = [("content-length", str(len(call.body.encode())))] if call.body else []
        exchange = recorder.begin(call.method, "http", path, query, [HOST, *call.sent, *length], "1.1")
        if call.body:
            exchange.request_chunk(call.body.encode())
        exchange.response_start(call.status, [call.kind, *call.headers])
        exchange.response_chunk(call.answer.encode(), last=True)
        exchange.finish()
    status = assemble(folder / "recorder", "draft", folder / "data")
    return load_profile(status.directory / "profile.yaml")
