"""The newest events of a log: from its end, over all the files that it became, as fast in a long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder import recent
from recorder.core import Recorder, get_recorder
from recorder.log import LOG_NAME
from recorder.recent import newest
from recorder.settings import Settings
from tests.recorder.rotating import compressed, rotate
from tests.recorder.test_api import Caller


@pytest.fixture(params=[False, True], ids=["one file", "a file for each process"])
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Recorder:
    return get_recorder(Settings(root=tmp_path, environment="development", log_per_process=request.param))


def write(own: Recorder, first: int, last: int) -> None:
    for number in range(first, last):
        own.emit("system_log", None, {"kind": "note", "message": f"{number} " + "ü" * 3000})


def numbers(own: Recorder, count: int) -> list[int]:
    found = newest(own.root_logs / LOG_NAME, count)
    return [int(event["payload"]["message"].split()[0]) for event in found if event["payload"]["kind"] == "note"]


def test_the_newest_are_the_last_ones(own: Recorder) -> None:
    assert newest(own.root_logs / LOG_NAME, 5) == []
    write(own, 0, 100)
    assert numbers(own, 1) == [99]
    assert numbers(own, 30) == [*range(70, 100)]
    assert numbers(own, 1000) == [*range(100)]


def test_only_the_end_is_read(own: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    write(own, 0, 100)
    parsed: list[bytes] = []
    parse = recent.parse
    monkeypatch.setattr("recorder.recent.parse", lambda line: (parsed.append(line), parse(line))[1])
    assert numbers(own, 3) == [97, 98, 99]
    assert len(parsed) < 10


def test_torn_and_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    own = get_recorder(Settings(root=tmp_path))
    write(own, 0, 2)
    with (own.root_logs / LOG_NAME).open("ab") as file:
        file.write(b'not an event\n{"v":1,"id":"torn')
    write(own, 2, 3)
    assert numbers(own, 10) == [0, 1, 2]


@pytest.mark.parametrize("packed", [False, True])
def test_what_was_rotated_away_is_looked_into(tmp_path: Path, packed: bool) -> None:
    own = get_recorder(Settings(root=tmp_path))
    write(own, 0, 5)
    rotated = rotate(own.root_logs / LOG_NAME)
    if packed:
        compressed(rotated)
    write(own, 5, 8)
    assert numbers(own, 2) == [6, 7]
    assert numbers(own, 7)[-5:] == [3, 4, 5, 6, 7]


def test_the_call(own: Recorder) -> None:
    write(own, 0, 10)
    caller = Caller(own)
    status, answer = caller("GET", "/events?last=2")
    assert status == 200
    assert [event["payload"]["message"][:1] for event in answer["events"]] == ["8", "9"]
    assert caller("GET", "/events?last=none")[0] == 422
