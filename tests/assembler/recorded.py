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
from recorder.settings import Settings

HOST = ("host", "127.0.0.1:8000")
FORM = ("content-type", "application/x-www-form-urlencoded")
JSON = ("content-type", "application/json")
PAGE = ("content-type", "text/html; charset=utf-8")


@dataclass(frozen=True)
class Call:
    """One request and its answer. `pause` in seconds is waited before it."""

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


def profile_of(folder: Path, calls: Iterable[Call]) -> Profile:
    """The draft that the assembler makes of `calls`."""
    recorder = Recorder(Settings.from_env({"RECORDER_ROOT": str(folder / "recorder"), "RECORDER_CAPTURE": "draft"}))
    recorder.attach()
    for call in calls:
        time.sleep(call.pause)
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
