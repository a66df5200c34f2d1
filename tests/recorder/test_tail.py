"""Following a log: resumable, across rotation and truncation, torn lines reported and passed over."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

import recorder.reader
from recorder.events import encode, envelope
from recorder.log import LOG_NAME, BadLine, Writer
from recorder.tail import Position, tail
from tests.recorder.rotating import compressed, rotate, writing
from tests.support import wait_until


def note(writer: Writer, text: str) -> None:
    assert writer.append(envelope("system_log", None, {"kind": "error", "message": text}))


def messages(items: list[tuple[Position, object]]) -> list[object]:
    return [
        item if isinstance(item, BadLine) else item["payload"].get("message", "opened")  # type: ignore[index]
        for _, item in items
    ]


def all_there_is(path: Path, position: Position | None = None) -> list[tuple[Position, object]]:
    return list(tail(path, position, stop=lambda: True))


def test_reads_what_is_there_and_resumes_behind_the_last_item(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "_logs", tmp_path)
    note(writer, "one")
    first = all_there_is(writer.path)
    note(writer, "two")
    assert messages(first) == ["opened", "one"]
    assert messages(all_there_is(writer.path, first[-1][0])) == ["two"]
    assert messages(all_there_is(writer.path, first[0][0])) == ["one", "two"]


def test_what_is_there_when_it_is_told_to_stop_is_read(tmp_path: Path) -> None:
    """Also what came between its last look, which found nothing, and that moment."""
    writer = Writer(tmp_path / "_logs", tmp_path)
    note(writer, "one")
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        if asked == 3:
            note(writer, "late")
        return asked >= 3

    assert messages(list(tail(writer.path, stop=stop))) == ["opened", "one", "late"]


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
    found: list[tuple[Position, object]] = []
    seen = threading.Condition()

    def follow() -> None:
        for item in tail(log, stop=done.is_set):
            with seen:
                found.append(item)
                seen.notify_all()

    def wait_for(count: int) -> None:
        with seen:
            assert seen.wait_for(lambda: len(found) >= count, timeout=60)

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
        follower.join(60)
    torn = next(item for _, item in found if isinstance(item, BadLine))
    assert torn.reason == "torn"
    assert messages(found) == ["opened", "one", torn, "opened", "two"]
    assert found[3][0].offset < found[4][0].offset == log.stat().st_size  # offsets began again
    assert found[2][0].generation == found[0][0].generation != found[3][0].generation


@pytest.mark.parametrize("elsewhere", [False, True], ids=["beside the log", "in another folder"])
def test_a_line_that_comes_just_before_the_rotation_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    writer = Writer(tmp_path / "_logs", tmp_path)
    note(writer, "one")
    old = tmp_path / "old.jsonl" if elsewhere else writer.path.with_name(LOG_NAME + ".1")
    look = recorder.reader.Reader._look

    def late(self: recorder.reader.Reader) -> Any:
        """Between two looks: one more line, and a new file."""
        if self.generations and not old.exists():
            note(writer, "late")
            writer.path.rename(old)
            note(Writer(tmp_path / "_logs", tmp_path), "two")
        return look(self)

    monkeypatch.setattr(recorder.reader.Reader, "_look", late)
    assert messages(all_there_is(writer.path)) == ["opened", "one", "late", "opened", "two"]


def test_a_truncated_file_is_read_again_from_its_beginning(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "_logs", tmp_path)
    note(writer, "one")
    position = all_there_is(writer.path)[-1][0]
    line = [line for line in writer.path.read_bytes().splitlines(keepends=True) if b"log_opened" in line]
    writer.path.write_bytes(line[0])
    assert messages(all_there_is(writer.path, position)) == ["opened"]


def test_what_several_rotations_between_two_looks_left_is_read(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "_logs", tmp_path)
    note(writer, "one")
    follower = tail(writer.path, stop=lambda: True)
    found = [next(follower), next(follower)]
    for text in ("two", "three", "four"):
        note(writer, text)
        rotate(writer.path)
    compressed(writer.path.with_name(LOG_NAME + ".2"))
    note(writer, "five")
    found.extend(follower)
    assert messages(found) == ["opened", "one", "two", "three", "four", "five"]


def test_a_position_outlives_rotation_compression_and_the_removal_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recorder.log.IDLE_NS", 1 << 60)
    monkeypatch.setattr("recorder.generations.DOUBT_S", 0)
    writer = Writer(tmp_path / "_logs", tmp_path)
    for text in ("one", "two"):
        note(writer, text)
    position = all_there_is(writer.path)[1][0]  # behind "one"
    rotate(writer.path)
    note(writer, "three")
    rotate(writer.path)
    note(writer, "four")
    log = writer.path
    assert messages(all_there_is(log, all_there_is(log)[-1][0])) == ["four"]  # which stands in two files
    assert messages(all_there_is(log, position)) == ["two", "three", "four"]
    packed = compressed(log.with_name(LOG_NAME + ".2"))
    compressed(log.with_name(LOG_NAME + ".1"))
    assert messages(all_there_is(log, position)) == ["two", "three", "four"]
    packed.unlink()
    assert messages(all_there_is(log, position)) == ["three", "four"]


def test_resuming_rather_reads_a_file_again_than_misses_one_whose_age_is_in_doubt(tmp_path: Path) -> None:
    """A writer was stopped between making a record and writing it: the younger file looks as if it were the older one."""
    writer = Writer(tmp_path / "_logs", tmp_path)
    note(writer, "one")
    position, one = all_there_is(writer.path)[1]
    assert isinstance(one, dict)
    rotate(writer.path)
    two = envelope("system_log", None, {"kind": "error", "message": "two"})
    two |= {"writer": two["id"], "sequence": 1, "mono_ns": one["mono_ns"] - 10**9}
    writer.path.write_bytes(b"\n%b\n" % encode(two))
    rotate(writer.path)
    assert messages(all_there_is(writer.path, position)) == ["two"]


def test_a_compressed_file_that_breaks_off_gives_what_it_holds(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "_logs", tmp_path)
    for text in ("one", os.urandom(40_000).hex(), "lost"):
        note(writer, text)
    rotate(writer.path)
    note(writer, "two")
    packed = compressed(writer.path.with_name(LOG_NAME + ".1"))
    packed.write_bytes(packed.read_bytes()[:20_000])
    assert messages(all_there_is(writer.path)) == ["opened", "one", "two"]


def test_a_killed_follower_resumes_and_misses_nothing(tmp_path: Path) -> None:
    """Writers in other processes, a file that is rotated and compressed all the time, and a follower that is killed."""
    log, dealt, kept = tmp_path / "_logs" / LOG_NAME, tmp_path / "dealt", tmp_path / "position"
    with writing(log, tmp_path, processes=2, records=8000) as writers:
        while writers.alive():
            child = os.fork()
            if child == 0:  # pragma: no cover
                try:
                    follow_to_files(log, dealt, kept)
                finally:
                    os._exit(0)
            size = dealt.stat().st_size if dealt.exists() else 0

            def went_on(size: int = size) -> bool:
                return not writers.alive() or (dealt.exists() and dealt.stat().st_size > size)

            wait_until(went_on, "the follower goes on")
            rotate(log)
            compressed(log.with_name(LOG_NAME + ".1"))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    position = Position(*json.loads(kept.read_text())) if kept.exists() else None
    found = {*dealt.read_text().split()} | {
        e["id"] for _, e in tail(log, position, lambda: True) if isinstance(e, dict)
    }
    assert found.issuperset(writers.acknowledged())
    assert len(writers.acknowledged()) == 16_000


def follow_to_files(log: Path, dealt: Path, kept: Path) -> None:  # pragma: no cover
    """Follow for ever: the id of each event into one file, the position behind it into another."""
    start = Position(*json.loads(kept.read_text())) if kept.exists() else None
    with dealt.open("a") as ids:
        for position, event in tail(log, start):
            if isinstance(event, dict):
                print(event["id"], file=ids, flush=True)
            aside = kept.with_suffix(".aside")
            aside.write_text(json.dumps(position))
            aside.replace(kept)
