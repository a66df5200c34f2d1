"""Following a log: resumable, across rotation and truncation, torn lines reported and passed over."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import recorder.tail
from recorder.events import envelope
from recorder.log import LOG_NAME, BadLine, Writer
from recorder.tail import tail


def note(writer: Writer, text: str) -> None:
    assert writer.append(envelope("system_log", None, {"kind": "error", "message": text}))


def messages(items: list[tuple[int, object]]) -> list[object]:
    return [
        item if isinstance(item, BadLine) else item["payload"].get("message", "opened")  # type: ignore[index]
        for _, item in items
    ]


def all_there_is(path: Path, offset: int = 0) -> list[tuple[int, object]]:
    return list(tail(path, offset, stop=lambda: True))


def test_reads_what_is_there_and_resumes_behind_the_last_item(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "_logs", tmp_path)
    note(writer, "one")
    first = all_there_is(writer.path)
    note(writer, "two")
    assert messages(first) == ["opened", "one"]
    assert messages(all_there_is(writer.path, first[-1][0])) == ["two"]
    assert messages(all_there_is(writer.path, first[0][0])) == ["one", "two"]


def test_an_absent_file_ends_at_once_when_told_to_stop(tmp_path: Path) -> None:
    assert all_there_is(tmp_path / "nothing.jsonl") == []


def test_an_unfinished_line_waits_for_its_end(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "_logs", tmp_path)
    note(writer, "one")
    whole = writer.path.read_bytes()
    writer.path.write_bytes(whole[:-10])
    found = all_there_is(writer.path)
    assert messages(found) == ["opened"]
    writer.path.write_bytes(whole)
    assert messages(all_there_is(writer.path, found[-1][0])) == ["one"]


def test_a_torn_line_is_reported_and_the_next_record_is_not_lost(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "_logs", tmp_path)
    note(writer, "one")
    size = writer.path.stat().st_size
    with writer.path.open("ab") as file:
        file.write(b'\n{"v":1,"id":"01')  # a writer was killed here
    note(writer, "two")
    assert messages(all_there_is(writer.path)) == ["opened", "one", BadLine(size + 1, "torn"), "two"]


def test_follows_growth_rotation_and_the_unfinished_end_of_the_old_file(tmp_path: Path) -> None:
    log = tmp_path / "_logs" / LOG_NAME
    done = threading.Event()
    found: list[tuple[int, object]] = []
    seen = threading.Condition()

    def follow() -> None:
        for item in tail(log, stop=done.is_set):
            with seen:
                found.append(item)
                seen.notify_all()

    def wait_for(count: int) -> None:
        with seen:
            assert seen.wait_for(lambda: len(found) >= count, timeout=10)

    follower = threading.Thread(target=follow)
    follower.start()
    try:
        writer = Writer(log.parent, tmp_path)  # the file appears while it is being waited for
        note(writer, "one")
        wait_for(2)
        old = log.rename(log.with_name("old.jsonl"))
        with old.open("ab") as file:
            file.write(b'\n{"v":1,')
        fresh = Writer(log.parent, tmp_path)
        note(fresh, "two")
        wait_for(5)
    finally:
        done.set()
        follower.join(10)
    torn = next(item for _, item in found if isinstance(item, BadLine))
    assert torn.reason == "torn"
    assert messages(found) == ["opened", "one", torn, "opened", "two"]
    assert found[3][0] < found[4][0] == log.stat().st_size  # offsets began again
    assert found[2][0] == 0


def test_a_line_that_comes_just_before_the_rotation_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(tmp_path / "_logs", tmp_path)
    note(writer, "one")
    looked = recorder.tail._replaced

    def rotate(*seen: Any) -> bool:
        """Between the end of the file and the look at its name: one more line, and a new file."""
        if not (tmp_path / "old.jsonl").exists():
            note(writer, "late")
            writer.path.rename(tmp_path / "old.jsonl")
            note(Writer(tmp_path / "_logs", tmp_path), "two")
        return looked(*seen)

    monkeypatch.setattr(recorder.tail, "_replaced", rotate)
    assert messages(all_there_is(writer.path)) == ["opened", "one", "late", "opened", "two"]


def test_a_truncated_file_is_read_again_from_its_beginning(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "_logs", tmp_path)
    note(writer, "one")
    offset = all_there_is(writer.path)[-1][0]
    line = [line for line in writer.path.read_bytes().splitlines(keepends=True) if b"log_opened" in line]
    writer.path.write_bytes(line[0])
    assert messages(all_there_is(writer.path, offset)) == ["opened"]
