"""A signal comes in the middle of a record, and its receiver records, too: a sealed log stays whole."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder.core import get_recorder
from recorder.log import LOG_NAME
from recorder.seal import Seal
from recorder.settings import Settings
from recorder.verify import verify
from tests.recorder.watching import events

RECORDS = 1500


@pytest.fixture(autouse=True)
def receiver_taken_back() -> Iterator[None]:
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_what_a_receiver_records_comes_after_what_it_interrupted(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path / "root", seal=tmp_path / "seal", seal_key="k")
    recorder, received = get_recorder(settings), 0

    def receive(*_: object) -> None:
        nonlocal received
        received += 1
        recorder.emit("system_log", None, {"kind": "note", "message": f"signal {received}"})

    signal.signal(signal.SIGALRM, receive)
    recorder.emit("system_log", None, {"kind": "note", "message": "first"})
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0007)
    for number in range(RECORDS):
        recorder.emit("system_log", None, {"kind": "note", "message": f"{number}"})
    signal.setitimer(signal.ITIMER_REAL, 0)
    recorder.writer(recorder.root_logs).close()
    told = [event["payload"].get("message", "") for event in events(recorder.root_logs)]
    assert received > 20
    assert sorted(told) == sorted(
        ["", "first", *map(str, range(RECORDS)), *(f"signal {number + 1}" for number in range(received))]
    )
    found = verify(recorder.root_logs / LOG_NAME, Seal(tmp_path / "seal", b"k"))
    assert list(found.problems) == []
    assert found.sealed
