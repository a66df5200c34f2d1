"""A file for each process beside the log (RECORDER_LOG_PER_PROCESS): readers see one log."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from recorder.core import Recorder
from recorder.events import envelope
from recorder.log import LOG_NAME, Writer
from recorder.replay import page
from recorder.seal import Seal
from recorder.settings import Settings
from recorder.tail import Position, tail
from recorder.verify import verify
from tests.assembler.deployment import JSON, Deployment
from tests.recorder.rotating import compressed


def note(writer: Writer, text: str) -> None:
    assert writer.append(envelope("system_log", None, {"kind": "error", "where": "x", "message": text}))


def own(folder: Path, **more: Any) -> Writer:
    return Writer(folder / "_logs", folder, own_file=True, **more)


def messages(items: Any) -> list[str]:
    return [event["payload"].get("message", "opened") for _, event in items]


def all_there_is(log: Path, position: Position | None = None) -> list[Any]:
    return list(tail(log, position, stop=lambda: True))


def test_each_process_has_a_file_named_after_machine_and_process(tmp_path: Path) -> None:
    recorder = Recorder(Settings(root=tmp_path, log_per_process=True))
    recorder.emit("system_log", None, {"kind": "error"})
    child = os.fork()
    if child == 0:  # pragma: no cover
        recorder.emit("system_log", None, {"kind": "error"})
        os._exit(0)
    os.waitpid(child, 0)
    recorder.emit("system_log", None, {"kind": "error"})
    names = sorted(path.name for path in (tmp_path / "_logs").glob("*.jsonl"))
    assert len(names) == 2
    for pid in (os.getpid(), child):
        assert any(f"-{pid}." in name and name.startswith("profile.events.") for name in names)
    assert len(all_there_is(tmp_path / "_logs" / LOG_NAME)) == 5
    assert str(tmp_path / "_logs" / LOG_NAME) in (tmp_path / "logs.jsonl").read_text()  # under its own name


def test_files_that_grow_side_by_side_are_followed_and_resumed(tmp_path: Path) -> None:
    log, (first, second) = tmp_path / "_logs" / LOG_NAME, (own(tmp_path), own(tmp_path))
    note(first, "1")
    note(second, "2")
    found = all_there_is(log)
    assert sorted(messages(found)) == ["1", "2", "opened", "opened"]
    position = found[-1][0]
    note(first, "3")  # in the file that was begun first, and read first
    assert messages(all_there_is(log, position)) == ["3"]
    note(second, "4")
    third = own(tmp_path)
    note(third, "5")
    assert sorted(messages(all_there_is(log, position))) == ["3", "4", "5", "opened"]


def test_a_position_outlives_rotation_of_one_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recorder.log.IDLE_NS", -1)
    monkeypatch.setattr("recorder.generations.DOUBT_S", 0)
    log, (first, second) = tmp_path / "_logs" / LOG_NAME, (own(tmp_path), own(tmp_path))
    note(first, "1")
    note(second, "2")
    position = all_there_is(log)[-1][0]
    note(first, "3")
    compressed(first.path.rename(f"{first.path}.1"))
    note(first, "4")
    note(second, "5")
    assert sorted(messages(all_there_is(log, position))) == ["3", "4", "5"]


def test_an_unfinished_line_waits_for_its_end_in_every_file(tmp_path: Path) -> None:
    log, (first, second) = tmp_path / "_logs" / LOG_NAME, (own(tmp_path), own(tmp_path))
    note(first, "1")
    note(second, "2")
    whole = first.path.read_bytes()
    first.path.write_bytes(whole[:-5])
    follower = tail(log, stop=lambda: True)
    assert sorted(messages(follower)) == ["2", "opened", "opened"]
    position = all_there_is(log)[-1][0]
    first.path.write_bytes(whole)
    assert "1" in messages(all_there_is(log, position))


class OwnTime:
    """Stands where `time` does: that of the files, in nanoseconds."""

    def __init__(self) -> None:
        self.now = time.time_ns()

    def time_ns(self) -> int:
        return self.now

    def grow(self, writer: Writer, text: str, then: float = 1.0) -> None:
        """A record at this moment; `then` seconds pass."""
        note(writer, text)
        os.utime(writer.path, ns=(self.now, self.now))
        self.now += int(then * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> OwnTime:
    """That of whoever asks for pages."""
    clock = OwnTime()
    monkeypatch.setattr("recorder.replay.time", clock)
    return clock


@pytest.mark.parametrize("pause", [0.001, 5.0, 600.0], ids=["in a moment", "in minutes", "over hours"])
def test_pages_of_a_log_of_many_files_leave_nothing_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: OwnTime, pause: float
) -> None:
    """However many files there are, and however slowly they grow: a cursor names few of them."""
    monkeypatch.setattr("recorder.replay._NAMED", 2)
    log, writers = tmp_path / "_logs" / LOG_NAME, [own(tmp_path) for _ in range(5)]
    seen: set[str] = set()
    after: str | None = None
    for number in range(60):
        clock.grow(writers[number * 7 % 5], f"{number}", pause)
        if number % 3 == 0:
            found, after = page(log, after, 2)
            seen |= {event["id"] for event in found}
    for _ in range(200):
        clock.now += 10**9
        found, after = page(log, after, 7)
        seen |= {event["id"] for event in found}
    assert not found
    assert len(seen) == 65
    clock.grow(writers[0], "last")
    found, _ = page(log, after, 100)
    assert found[-1]["payload"]["message"] == "last"


def test_a_file_that_has_to_be_read_anew_and_is_not_come_to_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: OwnTime
) -> None:
    monkeypatch.setattr("recorder.replay._NAMED", 1)
    log, (first, between, last) = tmp_path / "_logs" / LOG_NAME, (own(tmp_path) for _ in range(3))
    for writer in (first, between, last, first):
        clock.grow(writer, "before")
    clock.now += 3600 * 10**9
    found, after = page(log, None, 100)
    assert len(found) == 7
    for writer, text in ((first, "1"), (first, "2"), (between, "3")):
        clock.grow(writer, text)
    told: list[str] = []
    for _ in range(12):
        clock.now += 3600 * 10**9
        found, after = page(log, after, 1)
        told += [event["payload"].get("message", "opened") for event in found]
    assert [text for text in told if text.isdigit()] == ["1", "2", "3"]


def test_a_cursor_stays_short_however_many_files_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recorder.replay.DOUBT_S", 0)
    log, writers = tmp_path / "_logs" / LOG_NAME, [own(tmp_path) for _ in range(260)]
    for number, writer in enumerate(writers):
        note(writer, f"{number}")
        writer.close()
    seen: list[str] = []
    after: str | None = None
    while len(seen) < 520:
        found, after = page(log, after, 100)
        seen += [event["id"] for event in found]
        assert found
        assert after is not None
        assert len(after) < 4000
    assert len(set(seen)) == len(seen) == 520
    for writer in writers[100:]:
        note(writer, "again")
        writer.close()
    again: list[str] = []
    for _ in range(10):
        found, after = page(log, after, 100)
        again += [event["payload"].get("message", "") for event in found]
        if not found:
            break
    assert again == ["again"] * 160, "of 160 files that grew since, each from where it was read to"


def test_a_page_behind_an_event_of_a_log_of_many_files(tmp_path: Path) -> None:
    log, (first, second) = tmp_path / "_logs" / LOG_NAME, (own(tmp_path), own(tmp_path))
    for writer in (first, second):
        note(writer, "x")
    everything = [event["id"] for _, event in all_there_is(log)]
    found, _ = page(log, everything[1], 10)
    assert [event["id"] for event in found] == everything[2:]
    with pytest.raises(LookupError, match="no event"):
        page(log, "01NOTHERE", 10)


def test_a_sealed_log_of_many_files_verifies(tmp_path: Path) -> None:
    seal = Seal(tmp_path / "seal", b"k")
    writers = [own(tmp_path, seal=seal) for _ in range(3)]
    for number in range(30):
        note(writers[number % 3], f"{number}")
    for writer in writers:
        writer.close()
    assert len(list((tmp_path / "seal").iterdir())) == 3  # nobody appends to another's file there, either
    verdict = verify(tmp_path / "_logs" / LOG_NAME, seal)
    assert (verdict.problems, verdict.files, verdict.sealed) == ([], 3, 33)
    text = writers[1].path.read_bytes()
    writers[1].path.write_bytes(text.replace(b'"message":"4"', b'"message":"5"'))
    (problem,) = verify(tmp_path / "_logs" / LOG_NAME, seal).problems
    assert (problem.kind, problem.file) == ("altered", writers[1].path)


def test_a_draft_is_made_of_all_of_them(tmp_path: Path) -> None:
    one = Deployment(tmp_path)
    one.settings = Settings(root=one.root, log_per_process=True)
    one.restart()
    capture = one.start()
    for number in range(6):
        one.send("GET", f"/{number}", f'{{"n": {number}}}', kind=JSON)
        one.restart()
    one.end(capture)
    assert len(list((one.root / "_logs").glob("profile.events.*.jsonl"))) == 7
    status = one.assemble()
    assert (status.problems, status.steps) == ((), 6)


@pytest.mark.parametrize("files", [2, 5])
def test_the_end_of_a_file_that_is_moved_to_another_folder_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    """As logrotate does with `olddir`: nobody sees the file again, whose last lines nobody has read yet."""
    monkeypatch.setattr("recorder.reader.HELD", 3)
    log, writers = tmp_path / "_logs" / LOG_NAME, [own(tmp_path) for _ in range(files)]
    for number, writer in enumerate(writers):
        note(writer, f"{number}")
    more = iter(["", "moved", "late", ""])

    def stop() -> bool:
        """Between two looks: one more line, and the file goes; then one more into its successor."""
        what = next(more, None)
        if what == "moved":
            note(writers[-1], "end")
            writers[-1].path.rename(tmp_path / "elsewhere.jsonl")
        elif what == "late":
            note(Writer(log.parent, tmp_path, own_file=True), "after")
        return what is None

    found = messages(tail(log, stop=stop))
    assert found.count("end") == 1
    assert sorted(found) == sorted([*["opened"] * (files + 1), *map(str, range(files)), "end", "after"])


def test_a_writer_whose_file_was_moved_away_is_followed_into_its_next(tmp_path: Path) -> None:
    log, writer = tmp_path / "_logs" / LOG_NAME, own(tmp_path)
    note(writer, "1")
    steps = iter(range(5))

    def stop() -> bool:
        step = next(steps, None)
        if step == 1:
            note(writer, "2")
            writer.path.rename(tmp_path / "elsewhere.jsonl")
            note(writer, "3")  # into the old file and, as it finds out, into a new one
        elif step == 3:
            note(writer, "4")
        return step is None

    assert [text for text in messages(tail(log, stop=stop)) if text != "opened"] == ["1", "2", "3", "4"]
