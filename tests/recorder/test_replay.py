"""What a log holds, in all its files: behind a given event, and line by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.events import envelope
from recorder.log import LOG_NAME, Writer
from recorder.replay import events_after, lines_of
from tests.recorder.rotating import compressed, rotate


def note(writer: Writer, text: str) -> str:
    """Append a record; return its id."""
    event = envelope("system_log", None, {"kind": "error", "message": text})
    assert writer.append(event)
    return str(event["id"])


def messages(log: Path, after: str | None = None) -> list[str]:
    return [event["payload"].get("message", "opened") for event in events_after(log, after)]


@pytest.mark.parametrize("idle_ns", [-1, 1 << 60], ids=["idle", "busy"])
def test_a_log_is_read_behind_each_of_its_events_whatever_file_it_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, idle_ns: int
) -> None:
    monkeypatch.setattr("recorder.log.IDLE_NS", idle_ns)
    writer = Writer(tmp_path / "_logs", tmp_path)
    log, texts = writer.path, [str(number) for number in range(9)]
    ids = []
    for number, text in enumerate(texts):
        ids.append(note(writer, text))
        if number % 2:
            rotate(log)
        if number == 6:
            compressed(log.with_name(LOG_NAME + ".2"))
        assert messages(log) == ["opened", *texts[: number + 1]]
        assert [messages(log, id) for id in ids] == [texts[at + 1 : number + 1] for at in range(number + 1)]
    assert len(list(lines_of(log))) == 10


def test_an_event_is_found_wherever_pieces_of_a_large_file_meet(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "_logs", tmp_path)
    note(writer, "one")
    for size in range((1 << 20) - 60, (1 << 20) + 20, 7):
        filler = size - writer.path.stat().st_size % (1 << 20)
        with writer.path.open("ab") as file:
            file.write(b"x" * (filler % (1 << 20)))
        last = note(writer, "last")
        note(writer, "end")
        assert messages(writer.path, last) == ["end"]


def test_what_followed_in_the_file_before_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event stands in two files, and another writer's is behind it in the first."""
    monkeypatch.setattr("recorder.log.IDLE_NS", 1 << 60)
    writer, other = Writer(tmp_path / "_logs", tmp_path), Writer(tmp_path / "other", tmp_path)
    for each in (writer, other):
        note(each, "one")
    old = rotate(writer.path)
    after = note(writer, "two")
    note(writer, "three")
    with old.open("ab") as file:
        file.write(other.path.read_bytes())
    assert messages(writer.path, after) == ["opened", "one", "three"]


def test_an_event_that_is_in_no_file_is_named(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "_logs", tmp_path)
    note(writer, "one")
    rotate(writer.path)
    with pytest.raises(LookupError, match="no event '01NOTHERE' in this log"):
        list(events_after(writer.path, "01NOTHERE"))
    assert list(events_after(tmp_path / "nothing" / LOG_NAME)) == []
