"""Verifying a log: whatever is done to a sealed one is found, and told where; what is lawful is not."""

from __future__ import annotations

import hashlib
import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.events import Event, envelope
from recorder.log import Writer
from recorder.seal import Seal
from recorder.tail import tail
from recorder.verify import Finding, Verdict, logs_below, verify
from tests.recorder.rotating import compressed, rotate

KEY = b"k" * 32
ONE_BYTE = 2  # a fault between two lines is told of either


def event(text: str = "", category: Any = "system_log", stage: Any = None, **payload: object) -> Event:
    return envelope(category, stage, {"kind": "error", "where": "x", "message": text, **payload})


def record_in_turn(folder: Path, seal: Seal | None, count: int = 14) -> Path:
    """A log that two writers wrote in turn, and closed."""
    writers = [Writer(folder / "_logs", folder, seal=seal) for _ in range(2)]
    for number in range(count):
        assert writers[number * 7 % 3 % 2].append(event("ab" * (number * 5 % 17)))
    for writer in writers:
        writer.close()
    return writers[0].path


@dataclass
class Sealed:
    """A sealed log that nobody touched."""

    log: Path
    seal: Seal
    text: bytes

    @property
    def lines(self) -> list[tuple[int, int]]:
        """Where each record begins and ends, its two newlines included."""
        found, at = [], 0
        for line in self.text.split(b"\n")[1::2]:
            found.append((at, at + len(line) + 2))
            at += len(line) + 2
        return [span for span in found if span[1] - span[0] > 2]

    def after(self, text: bytes) -> Verdict:
        """What verifying says when this stands there instead."""
        self.log.write_bytes(text)
        return verify(self.log, self.seal)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealed]:
    folder = tmp_path_factory.mktemp("sealed")
    seal = Seal(folder / "seal", KEY)
    log = record_in_turn(folder / "root", seal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recorder.verify._STILL", 0)  # nobody writes
        yield Sealed(log, seal, log.read_bytes())


def found_at(verdict: Verdict, start: int, end: int) -> bool:
    return any(p.offset <= end + ONE_BYTE and p.end >= start - ONE_BYTE for p in verdict.problems)


def kinds(verdict: Verdict) -> list[str]:
    return [problem.kind for problem in verdict.problems]


def test_what_nobody_touched_is_whole(sealed: Sealed) -> None:
    verdict = sealed.after(sealed.text)
    assert (verdict.problems, verdict.remarks) == ([], [])
    assert (verdict.records, verdict.sealed, verdict.files) == (16, 16, 1)
    assert len(sealed.lines) == 16


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_any_edit_of_a_byte_is_found_where_it_is(sealed: Sealed, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(sealed.text) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != sealed.text[at]))
    how = data.draw(st.sampled_from(["replaced", "inserted", "removed"]))
    kept = at + (how != "inserted")
    verdict = sealed.after(sealed.text[:at] + (b"" if how == "removed" else bytes([byte])) + sealed.text[kept:])
    assert found_at(verdict, at, at + 1), (at, byte, how, verdict.problems)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_lines_that_are_taken_out_are_missed_where_they_stood(sealed: Sealed, data: st.DataObject) -> None:
    lines = sealed.lines
    first = data.draw(st.integers(0, len(lines) - 1))
    last = data.draw(st.integers(first, len(lines) - 1))
    start, end = lines[first][0], lines[last][1]
    verdict = sealed.after(sealed.text[:start] + sealed.text[end:])
    assert found_at(verdict, start, start), (first, last, verdict.problems)
    assert {"gap", "cut"} & set(kinds(verdict))


@settings(max_examples=150, deadline=None)
@given(size=st.integers(0, 1 << 16))
def test_a_log_that_was_cut_short_is_found_at_its_end(sealed: Sealed, size: int) -> None:
    size %= len(sealed.text)
    verdict = sealed.after(sealed.text[:size])
    assert {"cut", "torn", "framing"} & set(kinds(verdict))
    assert found_at(verdict, size, size), (size, verdict.problems)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_lines_that_changed_places_are_found(sealed: Sealed, data: st.DataObject) -> None:
    lines = sealed.lines
    first = data.draw(st.integers(0, len(lines) - 2))
    second = data.draw(st.integers(first + 1, len(lines) - 1))
    (a, b), (c, d) = lines[first], lines[second]
    text = sealed.text
    changed = text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]
    verdict = sealed.after(changed)
    assert found_at(verdict, a, d), (first, second, verdict.problems)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_line_that_stands_twice_is_found_where_it_was_put(sealed: Sealed, data: st.DataObject) -> None:
    lines = sealed.lines
    start, end = data.draw(st.sampled_from(lines))
    place = data.draw(st.sampled_from([a for a, _ in lines if a >= end] + [len(sealed.text)]))
    verdict = sealed.after(sealed.text[:place] + sealed.text[start:end] + sealed.text[place:])
    assert "duplicate" in kinds(verdict)
    assert found_at(verdict, place, place + end - start)


def test_a_log_that_was_removed_is_missed(sealed: Sealed) -> None:
    sealed.after(sealed.text)
    sealed.log.unlink()
    verdict = verify(sealed.log, sealed.seal)
    assert kinds(verdict) == ["cut", "cut"]
    assert "nothing is left of the" in verdict.problems[0].message


def test_who_has_another_key_can_neither_make_a_record_nor_a_checkpoint(sealed: Sealed, tmp_path: Path) -> None:
    forger = Seal(tmp_path, b"x" * 32)
    start = sealed.lines[5][0]
    forged = forger.link(sealed.log, "0" * 26, "").chained(b'{"v":1,"id":"forged","category":"system_log"}')
    verdict = sealed.after(sealed.text[:start] + b"\n" + forged + b"\n" + sealed.text[start:])
    assert found_at(verdict, start, start + len(forged))
    sealed.log.write_bytes(sealed.text)
    assert "checkpoint" in kinds(verify(sealed.log, Seal(sealed.seal.directory, b"x" * 32)))


def test_what_follows_the_last_checkpoint_is_told(tmp_path: Path) -> None:
    seal = Seal(tmp_path / "seal", KEY)
    writer = Writer(tmp_path / "_logs", tmp_path, seal=seal)
    for stage in ("started", "finished"):
        assert writer.append(event("job", "rq_job", stage))  # the end of a job is signed at once
    size = writer.path.stat().st_size
    for text in ("one", "two"):
        assert writer.append(event(text))
    verdict = verify(writer.path, seal)
    assert verdict.problems == []
    assert [(r.kind, r.offset, r.sequence) for r in verdict.remarks] == [("unsealed", size + 1, 4)]
    assert "2 records" in verdict.remarks[0].message
    assert verdict.sealed == 3


def test_a_checkpoint_is_signed_every_so_many_records_and_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later: list[Any] = []
    monkeypatch.setattr("recorder.seal.EVERY", 5)
    monkeypatch.setattr("recorder.seal.after_a_while", later.append)
    seal = Seal(tmp_path / "seal", KEY)
    writer = Writer(tmp_path / "_logs", tmp_path, seal=seal)
    for _ in range(6):
        writer.append(event())
    assert [c.sequence for c in seal.checkpoints()] == [5]  # type: ignore[union-attr]
    later[-1]()
    assert [c.sequence for c in seal.checkpoints()] == [5, 7]  # type: ignore[union-attr]


@pytest.mark.parametrize("idle", [-1, 1 << 60], ids=["a writer that looks first", "one in full swing"])
def test_a_sealed_log_that_was_rotated_and_compressed_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, idle: int
) -> None:
    monkeypatch.setattr("recorder.log.IDLE_NS", idle)
    seal = Seal(tmp_path / "seal", KEY)
    writer = Writer(tmp_path / "_logs", tmp_path, seal=seal)
    for number in range(4):
        writer.append(event("first"))
        rotate(writer.path)
        if number == 2:
            compressed(writer.path.with_name(writer.path.name + ".2"))
    writer.append(event("last"))
    writer.close()
    verdict = verify(writer.path, seal)
    assert verdict.problems == []
    assert (verdict.files, verdict.sealed) == (5, 6)
    old = writer.path.with_name(writer.path.name + ".1")
    old.write_bytes(old.read_bytes().replace(b"first", b"frist"))
    (problem,) = verify(writer.path, seal).problems
    assert (problem.kind, problem.file, problem.offset) == ("altered", old, 1)


@pytest.mark.parametrize(
    "moods", [*itertools.product((-1, 1 << 60), repeat=5)], ids=lambda moods: "".join("i" if m < 0 else "b" for m in moods)
)
def test_a_sealed_log_is_whole_whether_its_writer_was_idle_or_busy_when_it_was_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moods: tuple[int, ...]
) -> None:
    """A file may hold a record that was written again, and no other: it is younger than the one that had it first."""
    seal = Seal(tmp_path / "seal", KEY)
    writer = Writer(tmp_path / "_logs", tmp_path, seal=seal)
    for number, mood in enumerate(moods):
        monkeypatch.setattr("recorder.log.IDLE_NS", mood)
        writer.append(event(f"{number}"))
        if number < 4:
            rotate(writer.path)
        if number == 2:
            compressed(writer.path.with_name(writer.path.name + ".2"))
    writer.close()
    assert verify(writer.path, seal).problems == []
    told = [each["sequence"] for _, each in tail(writer.path, stop=lambda: True) if isinstance(each, dict)]
    assert told == [1, 2, 3, 4, 5, 6]


def test_a_loss_that_its_writer_knew_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seal = Seal(tmp_path / "seal", KEY)
    writer = Writer(tmp_path / "_logs", tmp_path, seal=seal)
    writer.append(event())
    with monkeypatch.context() as full:
        full.setattr("recorder.log.os.write", lambda descriptor, line: 0)
        assert not writer.append(event())
    writer.append(event())
    writer.close()
    (problem,) = verify(writer.path, seal).problems
    assert problem.kind == "gap"
    assert problem.message == "record 3 is missing; their writer could not write them"


# What needs no seal


def test_an_unsealed_log_is_looked_at_for_gaps_torn_lines_duplicates_and_bodies(tmp_path: Path) -> None:
    log = record_in_turn(tmp_path, None)
    assert verify(log).problems == []
    bodies = log.parent / "profile.bodies"
    sha256 = hashlib.sha256(b"body").hexdigest()
    (bodies / sha256[:2]).mkdir(parents=True)
    (bodies / sha256[:2] / sha256).write_bytes(b"body")
    writer = Writer(log.parent, tmp_path)
    for ref in (sha256, "0" * 64):
        payload = {
            "field": "f",
            "filename": "n",
            "media_type": None,
            "size": 4,
            "sha256": ref,
            "ref": f"{ref[:2]}/{ref}",
        }
        writer.append(envelope("file_upload", None, payload))
    size = log.stat().st_size
    text = log.read_bytes()
    lines = [line for line in text.splitlines() if line]
    with log.open("ab") as file:
        file.write(b"\n%b\n\n%b\nhello\n" % (lines[1], lines[2][:40]))
    log.write_bytes(log.read_bytes().replace(b"\n" + lines[4] + b"\n", b"", 1))
    size -= len(lines[4]) + 2
    (bodies / sha256[:2] / sha256).write_bytes(b"BODY")
    problems = verify(log).problems
    assert [(p.kind, p.offset >= size) for p in problems] == [
        ("gap", False), ("wrong_body", False), ("missing_body", False),
        ("duplicate", True), ("torn", True), ("foreign", True),
    ]  # fmt: skip
    for problem in problems[1:]:
        assert log.read_bytes()[problem.offset - 1 : problem.offset] == b"\n"
    assert log.read_bytes()[problems[3].offset : problems[3].end] == lines[1]


def test_a_sealed_log_needs_its_seal(sealed: Sealed) -> None:
    sealed.after(sealed.text)
    assert kinds(verify(sealed.log)) == ["no_key"]


def test_a_writer_without_a_seal_is_told(tmp_path: Path) -> None:
    log = record_in_turn(tmp_path, None)
    verdict = verify(log, Seal(tmp_path / "seal", KEY))
    assert verdict.problems == []
    assert [remark.kind for remark in verdict.remarks] == ["unsealed", "unsealed"]


def test_a_line_that_is_being_written_is_no_fault_and_a_torn_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = record_in_turn(tmp_path, None)
    whole = log.read_bytes()
    log.write_bytes(whole[:-9])

    def goes_on(seconds: float) -> None:
        log.write_bytes(whole[:-3])

    monkeypatch.setattr("recorder.verify.time.sleep", goes_on)
    assert verify(log).problems == []
    log.write_bytes(whole[:-9])
    monkeypatch.setattr("recorder.verify.time.sleep", lambda seconds: None)
    assert kinds(verify(log)) == ["torn"]


def test_a_path_means_a_log_a_run_or_everything(tmp_path: Path) -> None:
    root, run = tmp_path / "root", tmp_path / "runs" / "r"
    run.mkdir(parents=True)
    here, there = (Writer(folder / "_logs", root) for folder in (root, run))
    for writer in (here, there):
        writer.append(event())
    assert logs_below(root) == [here.path, there.path]
    assert logs_below(run) == logs_below(run / "_logs") == logs_below(there.path) == [there.path]
    shutil.rmtree(run)
    assert logs_below(root) == [here.path]
    with pytest.raises(LookupError, match="holds no audit log"):
        logs_below(run)


def test_a_finding_says_where_in_json(tmp_path: Path) -> None:
    log = record_in_turn(tmp_path, None)
    with log.open("ab") as file:
        file.write(b"x\n")
    document = verify(log).document
    (problem,) = document["problems"]
    assert document["ok"] is False
    assert problem == vars(Finding("foreign", log, log.stat().st_size - 2, log.stat().st_size - 1, "not JSON")) | {
        "file": str(log)
    }
