"""Capture windows: what they cover, what is on disk, and that every process agrees."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from recorder import snapshots
from recorder.captures import Captures, ConflictError, Subject, close_capture
from recorder.core import Recorder
from recorder.log import LOG_NAME, BadLine, read
from recorder.manifest import Capture
from recorder.settings import Settings
from tests.recorder.rotating import compressed, rotate

SESSION = "s" * 22


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    run = tmp_path / "runs" / "dry-creek"
    run.mkdir(parents=True)
    (run / "active.cfg").write_text("[soil]\n")
    return Settings(root=tmp_path / "root", run_root=f"{tmp_path}/runs/{{run_id}}")


@pytest.fixture
def captures(settings: Settings) -> Captures:
    return Captures(Recorder(settings))


def run_dir(settings: Settings) -> Path:
    return settings.root.parent / "runs" / "dry-creek"


def events(log_dir: Path) -> list[dict[str, Any]]:
    return [line.event for line in read(log_dir / LOG_NAME) if not isinstance(line, BadLine)]


def boundaries(log_dir: Path) -> dict[str, str]:
    """Event id → kind, of the boundaries in a log."""
    kinds = {event["id"]: event["payload"]["kind"] for event in events(log_dir)}
    return {name: kind for name, kind in kinds.items() if kind.startswith("capture_") and kind != "capture_snapshot"}


@pytest.mark.parametrize(
    ("subject", "scope", "meant"),
    [
        (Subject("dry-creek", SESSION), None, "run"),
        (Subject(None, SESSION), None, "session"),
        (Subject(), None, "all"),
        (Subject("dry-creek", SESSION), "all", "all"),
    ],
)
def test_the_default_scope(captures: Captures, subject: Subject, scope: Any, meant: str) -> None:
    assert captures.start("a", subject, scope)["scope"] == meant


def test_what_each_scope_covers(captures: Captures) -> None:
    run = captures.start("run", Subject("dry-creek"))["capture_id"]
    session = captures.start("session", Subject(None, SESSION))["capture_id"]
    everything = captures.start("all", Subject())["capture_id"]
    assert set(captures.covering("dry-creek", SESSION)) == {run, session, everything}
    assert set(captures.covering("dry-creek", None)) == {run, everything}
    assert set(captures.covering("other", SESSION)) == {session, everything}
    assert captures.covering(None, "another") == [everything]


def test_the_manifest_is_as_the_format_says(captures: Captures, settings: Settings) -> None:
    capture = captures.start("small-watershed", Subject("dry-creek"), notes="rusle")
    document = json.loads((run_dir(settings) / "_logs" / "profile.captures.json").read_text())
    assert document == {"v": 1, "captures": [capture]}
    assert " ".join(capture) == ("capture_id slug scope run_id session state started ended notes unsnapshotted windows")
    assert (capture["state"], capture["unsnapshotted"]) == ("capturing", False)


@pytest.mark.parametrize("subject", [Subject("dry-creek"), Subject(None, SESSION), Subject()])
def test_a_second_start_for_the_same_names_the_open_one(captures: Captures, subject: Subject) -> None:
    first = captures.start("first", subject)
    with pytest.raises(ConflictError, match=first["capture_id"]):
        captures.start("second", subject)
    captures.end(subject)
    captures.start("second", subject)


def test_two_open_captures_of_one_slug_would_share_a_draft(captures: Captures) -> None:
    captures.start("a", Subject(None, SESSION))
    with pytest.raises(ConflictError, match="choose another slug"):
        captures.start("a", Subject())


@pytest.mark.parametrize(
    ("slug", "nearest"),
    [("Us Small", "us-small"), ("../../etc", "etc"), ("a..b", "a.b"), ("", "my-profile"), ("x" * 81, "x" * 80)],
)
def test_a_slug_that_cannot_be_one_is_refused_with_the_nearest(captures: Captures, slug: str, nearest: str) -> None:
    with pytest.raises(ValueError, match=f"try '{nearest}'"):
        captures.start(slug, Subject())


def test_a_scope_that_cannot_be_meant(captures: Captures) -> None:
    with pytest.raises(ValueError, match="did you mean 'session'"):
        captures.start("a", Subject(), "sesion")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs a run_id"):
        captures.start("a", Subject(), "run")


def test_asking_for_an_unknown_run_makes_no_directory(captures: Captures, settings: Settings) -> None:
    for run_id in ("absent", "../escape", "dry-creek/../x"):
        with pytest.raises(LookupError, match="no run"):
            captures.start("a", Subject(run_id))
    assert [path.name for path in (settings.root.parent / "runs").iterdir()] == ["dry-creek"]


def test_pause_and_resume_open_a_further_window(captures: Captures, settings: Settings) -> None:
    captures.start("a", Subject())
    captures.pause(Subject())
    assert captures.covering(None, None) == []
    captures.resume(Subject())
    assert len(captures.covering(None, None)) == 1
    capture = captures.end(Subject(), notes="done")
    assert captures.covering(None, None) == []
    assert (capture["state"], capture["notes"]) == ("ended", "done")
    assert capture["ended"] is not None
    assert capture["started"] < capture["ended"]
    kinds = boundaries(settings.root / "_logs")
    assert [[kinds[event or ""] for event in window] for window in capture["windows"]] == [
        ["capture_started", "capture_paused"],
        ["capture_resumed", "capture_ended"],
    ]


def test_what_cannot_be_changed_says_why(captures: Captures) -> None:
    with pytest.raises(LookupError, match="No capture is open"):
        captures.end(Subject())
    capture = captures.start("a", Subject())
    with pytest.raises(LookupError, match="No capture is paused"):
        captures.resume(Subject())
    captures.discard(Subject())
    with pytest.raises(LookupError, match="is discarded"):
        captures.end(Subject(), capture["capture_id"])
    with pytest.raises(LookupError, match="no capture 'x'"):
        captures.end(Subject(), "x")


def test_a_capture_is_found_by_its_id_from_anywhere(captures: Captures, settings: Settings) -> None:
    capture = captures.start("a", Subject("dry-creek"))
    assert Captures(Recorder(settings)).end(Subject(), capture["capture_id"])["state"] == "ended"


def test_who_names_nothing_gets_the_only_one_and_a_browser_only_its_own(captures: Captures) -> None:
    capture = captures.start("a", Subject("dry-creek"))
    with pytest.raises(LookupError):
        captures.find(Subject(None, SESSION))
    assert captures.find(Subject()) == capture
    captures.start("b", Subject(None, SESSION))
    with pytest.raises(LookupError, match=r"Several captures are open.*\(b\)"):
        captures.find(Subject())


def test_the_boundaries_of_a_run_are_in_its_own_log(captures: Captures, settings: Settings) -> None:
    capture = captures.start("a", Subject("dry-creek"))
    captures.end(Subject("dry-creek"))
    logged = events(run_dir(settings) / "_logs")
    assert [event["payload"]["kind"] for event in logged] == [
        "log_opened", "capture_started", "capture_snapshot", "capture_ended",
    ]  # fmt: skip
    assert all(event["capture_ids"] == [capture["capture_id"]] for event in logged[1:])
    assert logged[1]["run_context"] == {"run_id": "dry-creek", "config": None}
    assert logged[1]["payload"] == {
        "kind": "capture_started", "capture_id": capture["capture_id"], "slug": "a", "scope": "run", "notes": "",
    }  # fmt: skip


def test_the_run_is_copied_as_it_was(captures: Captures, settings: Settings, tmp_path: Path) -> None:
    run = run_dir(settings)
    (run / "wepp" / "deep").mkdir(parents=True)
    (run / "wepp" / "deep" / "soil.bin").write_bytes(bytes(range(256)) * 5000)
    (run / "tool.sh").write_text("#!/bin/sh\n")
    (run / "tool.sh").chmod(0o750)
    (run / "_logs").mkdir()
    (run / "_logs" / "own.txt").write_text("not copied")
    (run / "out").symlink_to(tmp_path)
    (run / "active.link").symlink_to(run / "active.cfg")
    os.mkfifo(run / "pipe")
    capture = captures.start("a", Subject("dry-creek"))
    (run / "active.cfg").write_text("changed later")
    copy = run / "_logs" / "profile.snapshots" / capture["capture_id"]
    assert sorted(str(path.relative_to(copy)) for path in copy.rglob("*")) == [
        "active.cfg", "tool.sh", "wepp", "wepp/deep", "wepp/deep/soil.bin",
    ]  # fmt: skip
    assert (copy / "active.cfg").read_text() == "[soil]\n"
    assert (copy / "wepp" / "deep" / "soil.bin").read_bytes() == bytes(range(256)) * 5000
    assert (copy / "tool.sh").stat().st_mode & 0o777 == 0o750
    assert (copy / "tool.sh").stat().st_mtime_ns == (run / "tool.sh").stat().st_mtime_ns
    payload = next(e["payload"] for e in events(run / "_logs") if e["payload"]["kind"] == "capture_snapshot")
    assert (payload["files"], payload["skipped"]) == (3, ["active.link", "out", "pipe"])


def test_a_file_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("elsewhere")
    (tmp_path / "was-a-file").symlink_to(tmp_path / "secret")
    assert snapshots._copy_file(tmp_path / "was-a-file", tmp_path / "copy", float("inf")) == -1
    assert snapshots._copy_file(tmp_path / "vanished", tmp_path / "copy", float("inf")) == -1
    assert not (tmp_path / "copy").exists()


class SlowSnapshot:
    """`snapshots.take`, held back until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        take = snapshots.take

        def held(run: Path, target: Path, seconds: float) -> snapshots.Snapshot:
            self.begun.set()
            assert self.go.wait(60)
            return take(run, target, seconds)

        monkeypatch.setattr(snapshots, "take", held)


def start_in_background(captures: Captures) -> tuple[threading.Thread, list[Capture]]:
    started: list[Capture] = []
    thread = threading.Thread(target=lambda: started.append(captures.start("a", Subject("dry-creek"))))
    thread.start()
    return thread, started


def test_other_processes_wait_for_the_snapshot(
    captures: Captures, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, other = SlowSnapshot(monkeypatch), Captures(Recorder(settings))
    assert not other.preparing("dry-creek")
    thread, started = start_in_background(captures)
    assert slow.begun.wait(60)
    assert other.preparing("dry-creek")
    assert len(other.covering("dry-creek", None)) == 1
    waiting = threading.Thread(target=other.wait_ready, args=("dry-creek",))
    waiting.start()
    slow.go.set()
    waiting.join(60)
    thread.join(60)
    assert not waiting.is_alive()
    assert not other.preparing("dry-creek")
    assert started[0]["unsnapshotted"] is False


def test_a_snapshot_that_takes_too_long_is_given_up(
    captures: Captures, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, other = SlowSnapshot(monkeypatch), Captures(Recorder(settings))
    thread, started = start_in_background(captures)
    assert slow.begun.wait(60)
    other.wait_ready("dry-creek", timeout=0.01)
    assert other.find(Subject("dry-creek"))["unsnapshotted"] is True
    assert not other.preparing("dry-creek")
    slow.go.set()
    thread.join(60)
    assert started[0]["state"] == "capturing"
    assert started[0]["unsnapshotted"] is True
    assert list((run_dir(settings) / "_logs" / "profile.snapshots").iterdir()) == []


def test_a_copy_past_its_time_leaves_nothing(settings: Settings, tmp_path: Path) -> None:
    taken = snapshots.take(run_dir(settings), tmp_path / "copy", seconds=-1)
    assert not taken.complete
    assert not (tmp_path / "copy").exists()
    assert not (tmp_path / "copy.partial").exists()


def configured(settings: Settings, ready: Any, found: Any) -> None:
    ready.wait(60)
    found.put(Captures(Recorder(settings)).covering(None, None))


def test_recorder_capture_opens_one_over_workers_and_restarts(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path / "root", capture="nightly")
    context = multiprocessing.get_context("fork")
    ready, found = context.Barrier(4), context.Queue()
    workers = [context.Process(target=configured, args=(settings, ready, found)) for _ in range(4)]
    for worker in workers:
        worker.start()
    seen = [found.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(60)
    assert len(seen[0]) == 1
    assert all(each == seen[0] for each in seen)
    again = Captures(Recorder(settings))
    assert again.covering(None, None) == seen[0]
    assert list(boundaries(settings.root / "_logs").values()) == ["capture_started"]


def test_a_manifest_that_is_none_is_said_once_and_never_overwritten(captures: Captures, settings: Settings) -> None:
    path = settings.root / "_logs" / "profile.captures.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"v":1,')
    recorder = captures._recorder
    assert captures.covering(None, None) == []
    assert captures.covering(None, None) == []
    assert recorder.faults == 1
    with pytest.raises(ValueError, match="move it aside"):
        captures.start("a", Subject())
    assert path.read_text() == '{"v":1,'


def test_a_capture_is_closed_while_the_application_is_down(settings: Settings) -> None:
    captures = Captures(Recorder(settings))
    of_run = captures.start("a", Subject("dry-creek"))
    everything = captures.start("b", Subject())
    assert close_capture(run_dir(settings))["capture_id"] == of_run["capture_id"]
    again = captures.start("c", Subject("dry-creek"))
    assert close_capture(settings.root, notes="by hand")["capture_id"] == everything["capture_id"]
    assert close_capture(settings.root)["capture_id"] == again["capture_id"]  # the only one left, wherever it is
    with pytest.raises(LookupError, match="No capture is open"):
        close_capture(settings.root)
    with pytest.raises(LookupError, match="neither a RECORDER_ROOT"):
        close_capture(settings.root.parent)
    assert list(boundaries(run_dir(settings) / "_logs").values()) == ["capture_started", "capture_ended"] * 2


def test_a_capture_of_a_run_is_closed_after_its_log_was_rotated(settings: Settings) -> None:
    captures = Captures(Recorder(settings))
    log = run_dir(settings) / "_logs" / LOG_NAME
    for slug in ("a", "b"):
        capture = captures.start(slug, Subject("dry-creek"))
        compressed(rotate(log))
        assert close_capture(run_dir(settings))["capture_id"] == capture["capture_id"]


def test_list_shows_all_or_those_of_a_run(captures: Captures, settings: Settings) -> None:
    run, everything = captures.start("a", Subject("dry-creek")), captures.start("b", Subject())
    assert captures.list() == [run, everything]
    assert Captures(Recorder(settings)).list(Subject("dry-creek")) == [run]
