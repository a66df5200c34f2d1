"""Old logs are compressed and expire, while others read and write them."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from recorder.captures import Captures, Subject
from recorder.core import Recorder
from recorder.events import envelope
from recorder.log import LOG_NAME, Writer
from recorder.replay import events_after
from recorder.retention import DAY, Retention, chores
from recorder.seal import Seal
from recorder.settings import Settings
from recorder.tail import tail
from recorder.verify import verify
from tests.recorder.rotating import rotate

KEEP = Retention(compress=7, expire=30)


def note(writer: Writer, text: str) -> None:
    assert writer.append(envelope("system_log", None, {"kind": "error", "where": "x", "message": text}))


def upload(writer: Writer, content: bytes) -> Path:
    """A record that names a body, and the body."""
    sha256 = hashlib.sha256(content).hexdigest()
    path = writer.directory / "profile.bodies" / sha256[:2] / sha256
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    payload = {"field": "f", "filename": "n", "media_type": None, "size": len(content), "sha256": sha256}
    assert writer.append(envelope("file_upload", None, {**payload, "ref": f"{sha256[:2]}/{sha256}"}))
    return path


def kept(log: Path, days: float, seal: Seal | None = None) -> list[str]:
    """Do what is due in so many days; what was done, and to which file."""
    found = []
    for chore in chores(log, KEEP, time.time() + days * DAY, seal):
        chore.act()
        found.append(f"{chore.kind} {Path(chore.what.partition(':')[0]).name}")
    return found


def messages(log: Path) -> list[str]:
    return [event["payload"].get("message", event["payload"].get("kind", "upload")) for event in events_after(log)]


def names(log: Path) -> list[str]:
    return sorted(path.name for path in log.parent.iterdir() if path.is_file())


def test_a_log_that_nobody_writes_is_compressed_and_read_as_before(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "_logs", tmp_path)
    note(writer, "old")
    rotate(writer.path)
    note(writer, "new")
    assert kept(writer.path, 6) == []
    before = messages(writer.path)
    follower = tail(writer.path, stop=lambda: True)
    position, _ = next(follower)
    assert len(kept(writer.path, 8)) == 2
    assert [name.endswith(".gz") for name in names(writer.path)] == [True, True]
    assert messages(writer.path) == before
    assert [e["payload"]["message"] for _, e in tail(writer.path, position, lambda: True)] == ["old", "new"]  # type: ignore[index]
    assert [e["payload"]["message"] for _, e in follower] == ["old", "new"]  # type: ignore[index]
    assert kept(writer.path, 8) == []
    note(writer, "woke up")  # the same writer, which has the file open
    assert messages(writer.path) == [*before, "woke up"]
    assert verify(writer.path).problems == []


def test_a_record_that_comes_while_its_file_is_compressed_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recorder.log.IDLE_NS", 1 << 60)  # the writer does not look before it writes
    writer = Writer(tmp_path / "_logs", tmp_path)
    note(writer, "one")
    rename = Path.rename

    def late(path: Path, target: Path) -> Path:
        renamed = rename(path, target)
        if path.name == LOG_NAME:
            note(writer, "late")
        return renamed

    monkeypatch.setattr(Path, "rename", late)
    assert kept(writer.path, 8) == ["compress profile.events.jsonl"]
    assert messages(writer.path) == ["log_opened", "one", "late"]


def test_what_is_too_old_goes_with_the_bodies_that_nothing_names(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "_logs", tmp_path)
    gone, shared = upload(writer, b"gone"), upload(writer, b"shared")
    rotate(writer.path)
    upload(writer, b"shared")
    for path in (gone, shared, Path(f"{writer.path}.1")):
        os.utime(path, (time.time() - 31 * DAY,) * 2)
    assert kept(writer.path, 0) == ["remove profile.events.jsonl.1", "notice profile.bodies"]
    assert names(writer.path) == [LOG_NAME]
    assert (gone.exists(), shared.exists()) == (False, True)
    assert kept(writer.path, 0) == ["remove profile.bodies"]
    assert [path.name for path in (tmp_path / "_logs" / "profile.bodies").rglob("*") if path.is_file()] == [shared.name]
    assert verify(writer.path).problems == []


def test_a_body_that_is_recorded_again_on_the_way_out_comes_back(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "_logs", tmp_path)
    body = upload(writer, b"again")
    rotate(writer.path)
    note(writer, "x")
    for path in (body, Path(f"{writer.path}.1")):
        os.utime(path, (time.time() - 31 * DAY,) * 2)
    kept(writer.path, 0)
    aside = body.with_name(f".{body.name}.expired")
    assert aside.exists()
    upload(writer, b"again")
    body.unlink()  # its writer had seen it before it was taken away, and wrote nothing
    assert kept(writer.path, 0) == ["notice profile.bodies"]
    assert body.read_bytes() == b"again"


def test_what_an_open_capture_needs_stays(tmp_path: Path) -> None:
    recorder = Recorder(Settings(root=tmp_path, key="k"))
    captures = Captures(recorder)
    captures.start("open", Subject())
    log = tmp_path / "_logs" / LOG_NAME
    assert kept(log, 31) == ["compress profile.events.jsonl"]
    captures.end(Subject())
    assert kept(log, 31)[0].startswith("remove profile.events-")


def test_a_sealed_log_expires_lawfully_and_only_so(tmp_path: Path) -> None:
    seal = Seal(tmp_path / "seal", b"k")
    writer = Writer(tmp_path / "_logs", tmp_path, seal=seal)
    for text in ("one", "two"):
        note(writer, text)
    rotate(writer.path)
    note(writer, "three")  # into the file that was renamed, too
    note(writer, "four")
    writer.close()
    os.utime(f"{writer.path}.1", (time.time() - 31 * DAY,) * 2)
    assert kept(writer.path, 0) == ["notice profile.events.jsonl.1"]
    assert Path(f"{writer.path}.1").exists()
    assert kept(writer.path, 0, seal) == ["remove profile.events.jsonl.1"]
    verdict = verify(writer.path, seal)
    assert (verdict.problems, messages(writer.path)) == ([], ["three", "four"])
    writer.path.unlink()
    assert [problem.kind for problem in verify(writer.path, seal).problems] == ["cut"]


def test_what_killed_programs_left_goes_after_a_day(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "_logs", tmp_path)
    note(writer, "x")
    bodies = tmp_path / "_logs" / "profile.bodies"
    bodies.mkdir()
    for path in (bodies / ".partial-1", tmp_path / "_logs" / ".profile.events.jsonl.1.7.aside"):
        path.touch()
    assert kept(writer.path, 0.5) == []
    assert kept(writer.path, 2) == ["remove _logs"]
    assert list(bodies.iterdir()) == []
