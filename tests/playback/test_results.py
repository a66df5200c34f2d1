"""Reports are kept whole, side by side, and can be read again."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from playback.junit import junit
from playback.results import history, last, parse, write
from tests.playback.reports import HOSTILE, failed, passed


def test_a_passed_replay_leaves_a_report_and_no_diagnostics(tmp_path: Path) -> None:
    folder = write(passed(), tmp_path, {})
    assert folder == tmp_path / "profiles/results/small-watershed/20261120T104106.123456Z"
    assert sorted(path.name for path in folder.iterdir()) == ["junit.xml", "report.json"]
    document = json.loads((folder / "report.json").read_bytes())
    assert document == passed().as_json() == json.loads((tmp_path / "profiles/results/latest.json").read_bytes())
    assert parse(document) == passed()


def test_what_was_written_can_be_read_again(tmp_path: Path) -> None:
    report = failed()
    folder = write(report, tmp_path)
    document = json.loads((folder / "report.json").read_bytes())
    document["a key of a later version"] = 1
    document["steps"][0]["another"] = 2
    assert parse(document) == report


def test_a_failed_replay_leaves_what_explains_it(tmp_path: Path) -> None:
    workspace = tmp_path / "run"
    began = datetime.now(UTC)
    for name in ("_logs/application.txt", "wepp/run.log", "wepp/old.log", "wepp/input.txt", "_logs/profile.bodies/ab"):
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text(name)
    long_ago = (began - timedelta(hours=1)).timestamp()
    os.utime(workspace / "wepp/old.log", (long_ago, long_ago))
    (tmp_path / "secret").write_text("outside")
    (workspace / "wepp/link.log").symlink_to(tmp_path / "secret")
    (tmp_path / "answer").write_bytes(b"\xff\x00")

    report = failed(run_dir=str(workspace), started_at=began.isoformat())
    folder = write(
        report, tmp_path, {"request.http": "POST /", "steps/run-wepp/answer": tmp_path / "answer", "b": b"\0"}
    )

    diagnostics = folder / "diagnostics"
    assert report.diagnostics == str(diagnostics)
    found = sorted(str(path.relative_to(diagnostics)) for path in diagnostics.rglob("*") if path.is_file())
    assert found == [
        "b",
        "logs/_logs/application.txt",
        "logs/wepp/run.log",
        "report.json",
        "request.http",
        "steps/run-wepp/answer",
        "summary.txt",
        "versions.json",
    ]
    assert (diagnostics / "steps/run-wepp/answer").read_bytes() == b"\xff\x00"
    assert json.loads((diagnostics / "report.json").read_bytes())["diagnostics"] == str(diagnostics)
    assert set(json.loads((diagnostics / "versions.json").read_bytes())) >= {"python", "system", "rq"}


def test_only_the_end_of_a_huge_log_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playback.results.LOG_LIMIT", 10)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "x.log").write_text("beginning, middle, the end")
    folder = write(failed(run_dir=str(tmp_path / "run"), started_at="2001-01-01T00:00:00Z"), tmp_path)
    assert (folder / "diagnostics/logs/x.log").read_text() == "e, the end"


@pytest.mark.parametrize("name", ["../escaped", "/etc/escaped", "a/../../b", ""])
def test_attachments_stay_below_the_diagnostics(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not name a file below"):
        write(failed(), tmp_path, {name: b""})


def test_a_slug_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a profile name"):
        write(passed(profile="../x"), tmp_path)
    assert history(tmp_path, "../x") == []


def test_runs_that_began_at_once_do_not_meet(tmp_path: Path) -> None:
    folders = [write(passed(duration_s=n), tmp_path) for n in range(3)]
    assert [folder.name for folder in folders] == [f"20261120T104106.123456Z{end}" for end in ("", "-2", "-3")]
    assert history(tmp_path, "small-watershed") == folders[::-1]
    newest = last(tmp_path, "small-watershed")
    assert newest is not None
    assert newest["duration_s"] == 2


def test_a_report_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    write(passed(), tmp_path)
    broken = write(passed(started_at="2027-01-01T00:00:00Z"), tmp_path)
    (broken / "report.json").write_text("{")
    newest = last(tmp_path, "small-watershed")
    assert newest is not None
    assert newest["started_at"].startswith("2026")
    assert last(tmp_path, "other") is None


def test_a_document_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(passed(), tmp_path)
    latest = tmp_path / "profiles/results/latest.json"
    before = latest.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write(passed(duration_s=99), tmp_path)
    assert latest.read_bytes() == before
    assert [path.name for path in tmp_path.rglob(".*")] == []


def test_junit_counts_steps_and_files_and_survives_hostile_text() -> None:
    report = failed(profile="x")
    report.steps[1].path = HOSTILE
    report.comparisons[0].summary = HOSTILE
    root = ElementTree.fromstring(junit([report, passed()]))
    first, second = root.findall("testsuite")
    assert [first.get(name) for name in ("name", "tests", "failures", "errors", "skipped")] == ["x", "4", "2", "0", "1"]
    assert [second.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["3", "0", "0", "0"]
    failure = first.find("testcase[@name='run-wepp']/failure")
    assert failure is not None
    assert "ZeroDivisionError" in (failure.text or "")
    assert "<b>&" in (failure.text or "")


@pytest.mark.parametrize(("result", "tag"), [("error", "error"), ("interrupted", "error"), ("failed", "failure")])
def test_a_verdict_other_than_passed_shows_in_junit_without_any_step(result: str, tag: str) -> None:
    root = ElementTree.fromstring(junit([passed(result=result, steps=[], comparisons=[], error="Nothing answers.")]))
    case = root.find(f"testsuite/testcase/{tag}")
    assert case is not None
    assert "Nothing answers." in (case.text or "")
