"""The audit log: framing, loss, forks, threads, and what the reader says about lines that are no events."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

from recorder import log
from recorder.core import Recorder
from recorder.events import Event, encode, envelope
from recorder.log import LOG_NAME, BadLine, Line, Writer, read
from recorder.runs import Run
from recorder.settings import Settings
from recorder.tail import tail
from tests.recorder.rotating import rotate
from tests.recorder.watching import events


def event(kind: str = "error") -> Event:
    return envelope("system_log", None, {"kind": kind})


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "_logs", tmp_path)


def test_the_first_record_says_who_writes(writer: Writer, tmp_path: Path) -> None:
    assert writer.append(event())
    opened, second = events(tmp_path / "_logs")
    assert opened["payload"]["kind"] == "log_opened"
    assert opened["payload"]["recorder_root"] == str(tmp_path)
    assert opened["payload"]["pid"] == os.getpid()
    assert set(opened["payload"]) == {"kind", "recorder_root", "pid", "hostname", "versions"}
    assert (opened["sequence"], second["sequence"]) == (1, 2)
    assert opened["writer"] == second["writer"]


def test_a_record_is_framed_by_newlines_in_one_write(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    writer.append(event())
    written: list[bytes] = []
    monkeypatch.setattr(log.os, "write", lambda descriptor, line: written.append(line) or len(line))
    writer.append(event())
    assert len(written) == 1
    assert written[0].startswith(b'\n{"v":1,')
    assert written[0].endswith(b"}\n")
    assert written[0].count(b"\n") == 2


def test_files_are_private_to_owner_and_group(writer: Writer) -> None:
    writer.append(event())
    assert writer.path.stat().st_mode & 0o777 == 0o640


def test_a_log_is_registered_once(writer: Writer, tmp_path: Path) -> None:
    writer.append(event())
    Writer(tmp_path / "_logs", tmp_path).append(event())
    lines = [json.loads(line) for line in (tmp_path / "logs.jsonl").read_text().splitlines() if line]
    assert [(line["v"], line["log"], line["run_id"]) for line in lines] == [(1, str(writer.path), None)]


def test_a_run_that_does_not_exist_gets_no_directory(tmp_path: Path) -> None:
    recorder = Recorder(Settings(root=tmp_path / "root"))
    run = Run("r", "c", tmp_path / "runs" / "r")
    assert recorder.log_dir(run) == tmp_path / "root" / "_logs"
    writer = Writer(tmp_path / "runs" / "r" / "_logs", tmp_path / "root", run)
    assert not writer.append(event())
    assert writer.lost == 1
    assert not (tmp_path / "runs").exists()


def test_a_run_that_exists_has_its_own_log(tmp_path: Path) -> None:
    run = Run("r", "c", tmp_path / "r")
    (tmp_path / "r").mkdir()
    recorder = Recorder(Settings(root=tmp_path / "root"))
    recorder.append(envelope("system_log", None, {"kind": "error"}, run_context=run.context), recorder.log_dir(run))
    assert [record["run_context"] for record in events(tmp_path / "r" / "_logs")] == [run.context] * 2
    assert json.loads((tmp_path / "root" / "logs.jsonl").read_text())["run_id"] == "r"


def test_what_belongs_to_a_run_that_has_gone_is_kept_in_the_root(tmp_path: Path) -> None:
    recorder = Recorder(Settings(root=tmp_path / "root"))
    context = {"run_id": "gone", "config": None}
    recorder.emit("system_log", None, {"kind": "error"}, run_context=context, log_dir=tmp_path / "gone" / "_logs")
    assert [record["run_context"] for record in events(tmp_path / "root" / "_logs")][1:] == [context]
    assert not (tmp_path / "gone").exists()
    assert recorder.lost == 0


def test_a_log_that_was_removed_is_made_again(writer: Writer, tmp_path: Path) -> None:
    writer.append(event())
    writer.path.unlink()
    writer.append(event("browser"))
    assert [record["payload"]["kind"] for record in events(tmp_path / "_logs")] == ["browser"]


@pytest.mark.parametrize(
    ("idle_ns", "in_the_old_one"), [(-1, [1, 2, 3]), (1 << 60, [1, 2, 3, 4])], ids=["idle", "busy"]
)
def test_a_log_that_was_renamed_is_begun_anew_and_the_sequence_goes_on(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, idle_ns: int, in_the_old_one: list[int]
) -> None:
    monkeypatch.setattr(log, "IDLE_NS", idle_ns)
    for kind in ("browser", "note"):
        writer.append(event(kind))
    old = rotate(writer.path)
    assert writer.append(event("error"))
    assert writer.append(event("error"))
    fresh = events(tmp_path / "_logs")
    assert [record["sequence"] for record in fresh] == [4, 5]
    assert [line.event["sequence"] for line in read(old) if isinstance(line, Line)] == in_the_old_one
    assert {record["writer"] for record in fresh} == {
        line.event["writer"] for line in read(old) if isinstance(line, Line)
    }
    assert len((tmp_path / "logs.jsonl").read_bytes().split()) == 1
    assert writer.path.stat().st_mode & 0o777 == 0o640


def test_a_record_that_was_written_while_the_log_was_renamed_is_in_the_new_one_too(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What reads the renamed file may have come to its end by then: gzip, which removes it."""
    writer.append(event())
    whole = os.write

    def rotated(descriptor: int, line: bytes) -> int:
        if writer.path.stat().st_size > len(line):
            rotate(writer.path).unlink()
        return whole(descriptor, line)

    monkeypatch.setattr(log.os, "write", rotated)
    assert writer.append(event("browser"))
    assert [(r["payload"]["kind"], r["sequence"]) for r in events(tmp_path / "_logs")] == [("browser", 3)]
    assert writer.lost == 0


@pytest.mark.parametrize("idle_ns", [-1, 1 << 60], ids=["idle", "busy"])
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "removed"])
def test_what_began_in_a_log_that_was_renamed_then_is_in_the_new_one_too(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, idle_ns: int, kept: bool
) -> None:
    """Nobody looks after the first record of an operation was written; what follows looks for it."""
    writer.append(event())
    whole = os.write

    def rotated(descriptor: int, line: bytes) -> int:
        old = rotate(writer.path)
        written = whole(descriptor, line)
        if not kept:
            old.unlink()
        return written

    with monkeypatch.context() as patched:
        patched.setattr(log.os, "write", rotated)
        begun = [envelope("http_request", "started", {}) for _ in range(2)]
        assert writer.append(begun[0])
    assert writer.append(begun[1])
    monkeypatch.setattr(log, "IDLE_NS", idle_ns)
    assert writer.append(event("browser"))
    assert [record["sequence"] for record in events(tmp_path / "_logs")] == [3, 4, 5]
    told = [each for _, each in tail(writer.path, stop=lambda: True)]
    assert [each["sequence"] for each in told if isinstance(each, dict)] == ([1, 2, 3, 4, 5] if kept else [3, 4, 5])
    assert writer.lost == 0


def test_a_renamed_log_is_gone_on_with_where_none_can_be_made(tmp_path: Path) -> None:
    run = Run("r", "c", tmp_path / "r")
    (tmp_path / "r").mkdir()
    writer = Writer(tmp_path / "r" / "_logs", tmp_path / "root", run)
    writer.append(event())
    (tmp_path / "r").rename(tmp_path / "moved")
    assert writer.append(event("browser"))
    assert writer.lost == 0
    assert [record["sequence"] for record in events(tmp_path / "moved" / "_logs")] == [1, 2, 3]
    shutil.rmtree(tmp_path / "moved")
    assert not writer.append(event("browser"))
    assert writer.lost == 1


def test_a_log_that_was_copied_and_truncated_begins_anew(writer: Writer, tmp_path: Path) -> None:
    writer.append(event())
    os.truncate(writer.path, 0)
    assert writer.append(event("browser"))
    assert [record["sequence"] for record in events(tmp_path / "_logs")] == [3]
    assert writer.path.read_bytes().startswith(b'\n{"v":1,')


def test_a_full_disk_disturbs_nobody_and_is_told_later(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert writer.append(event())
    with monkeypatch.context() as full:

        def refuse(descriptor: int, line: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        full.setattr(log.os, "write", refuse)
        assert not writer.append(event())
        assert not writer.append(event())
    assert writer.lost == 2
    assert writer.append(event("browser"))
    kinds = [record["payload"] for record in events(tmp_path / "_logs")]
    assert kinds[2] == {"kind": "lost", "count": 2, "reason": os.strerror(errno.ENOSPC)}
    assert [record["sequence"] for record in events(tmp_path / "_logs")] == [1, 2, 5, 6]  # the gap proves it


def test_a_short_write_is_a_loss_that_does_not_spread(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.append(event())
    whole = os.write
    with monkeypatch.context() as short:
        short.setattr(log.os, "write", lambda descriptor, line: whole(descriptor, line[:40]))
        assert not writer.append(event())
    assert writer.append(event("browser"))
    lines = list(read(writer.path))
    assert [line.reason for line in lines if isinstance(line, BadLine)] == ["torn"]
    assert [line.event["payload"]["kind"] for line in lines if isinstance(line, Line)][-2:] == ["lost", "browser"]


def test_a_record_that_lacks_its_newline_alone_is_no_loss(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.append(event())
    whole = os.write
    with monkeypatch.context() as short:
        short.setattr(log.os, "write", lambda descriptor, line: whole(descriptor, line[:-1]))
        assert writer.append(event("note"))
    assert writer.append(event("browser"))
    assert [record["payload"]["kind"] for record in events(tmp_path / "_logs")][2:] == ["note", "browser"]
    assert writer.lost == 0


def test_a_killed_writer_costs_its_own_record_only(tmp_path: Path) -> None:
    """A child dies of SIGKILL in the middle of its record; the next acknowledged record is not glued to the rest."""
    writer = Writer(tmp_path / "_logs", tmp_path)
    writer.append(event())
    child = os.fork()
    if child == 0:  # pragma: no cover
        whole = os.write

        def die(descriptor: int, line: bytes) -> int:
            whole(descriptor, line[: len(line) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
            return 0

        log.os.write = die  # type: ignore[assignment]
        Writer(tmp_path / "_logs", tmp_path).append(event())
        os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert writer.append(event("browser"))
    lines = list(read(writer.path))
    assert [type(line) for line in lines] == [Line, Line, BadLine, Line]
    assert isinstance(lines[3], Line)
    assert lines[3].event["payload"]["kind"] == "browser"


def test_a_forked_child_writes_as_itself(tmp_path: Path) -> None:
    recorder = Recorder(Settings(root=tmp_path))
    recorder.emit("system_log", None, {"kind": "error"})
    child = os.fork()
    if child == 0:  # pragma: no cover
        recorder.emit("system_log", None, {"kind": "error"})
        os._exit(0)
    os.waitpid(child, 0)
    recorder.emit("system_log", None, {"kind": "error"})
    writers: dict[str, list[int]] = {}
    for record in events(tmp_path / "_logs"):
        writers.setdefault(record["writer"], []).append(record["sequence"])
    assert sorted(writers.values()) == [[1, 2], [1, 2, 3]]


def test_threads_leave_no_gap(tmp_path: Path) -> None:
    recorder = Recorder(Settings(root=tmp_path))

    def work() -> None:
        for _ in range(200):
            recorder.emit("system_log", None, {"kind": "error"})

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [record["sequence"] for record in events(tmp_path / "_logs")] == list(range(1, 802))
    assert recorder.lost == 0


def test_runs_are_many_and_descriptors_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MAX_OPEN", 3)
    recorder = Recorder(Settings(root=tmp_path / "root"))
    directories = [tmp_path / f"run{number}" for number in range(9)]
    before = len(list(Path("/proc/self/fd").iterdir()))
    for directory in directories * 2:
        directory.mkdir(exist_ok=True)
        recorder.append(event(), directory / "_logs")
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= 3
    assert [[record["sequence"] for record in events(directory / "_logs")] for directory in directories] == [
        [1, 2, 3]
    ] * 9


def test_the_reader_goes_on_after_what_is_no_event(tmp_path: Path) -> None:
    path = tmp_path / LOG_NAME
    good = encode(event())
    path.write_bytes(b"\n%b\n\n%b\n\n[1]\nhello\n{}\n\n%b\n" % (good, good[:30], good))
    lines = list(read(path))
    assert [line.reason if isinstance(line, BadLine) else "event" for line in lines] == [
        *("event", "torn", "foreign: not an event", "foreign: not JSON", "foreign: not an event", "event")
    ]
    last = lines[-1]
    assert list(read(path, last.offset)) == [last]
    assert path.read_bytes()[last.offset :].startswith(good)


def test_an_old_event_with_more_keys_is_read(tmp_path: Path) -> None:
    (tmp_path / LOG_NAME).write_text('{"v":7,"id":"x","category":"new","more":1}\n')
    (line,) = read(tmp_path / LOG_NAME)
    assert isinstance(line, Line)
    assert line.event["more"] == 1


def test_a_record_that_is_on_its_way_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large record a reader sees a page first, and the rest a moment later."""
    record = b'{"v":1,"id":"a","category":"system_log","payload":"' + b"x" * 9000 + b'"}\n'
    path = tmp_path / "log.jsonl"
    path.write_bytes(record[:4096])

    class Growing(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            line = super().readline(size)
            at = self.tell()
            self.write(record[at:])
            self.seek(at)
            return line

    monkeypatch.setattr("builtins.open", lambda *given: Growing(path.read_bytes()))
    (line,) = read(path)
    assert isinstance(line, Line)
