"""Reports are kept whole, side by side, and can be read again."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from playback.junit import junit
from playback.results import history, last, parse, write
from tests.playback.reports import HOSTILE, failed, passed


def test_a_passed_replay_leaves_a_report_and_no_diagnostics(tmp_path: Path) -> None:
    report = passed()
    folder = write(report, tmp_path)
    assert folder == tmp_path / "profiles/results/small-watershed/20261120T104106.123456Z"
    assert sorted(path.name for path in folder.iterdir()) == ["junit.xml", "report.html", "report.json"]
    assert (report.page, report.diagnostics) == (str(folder / "report.html"), None)
    document = json.loads((folder / "report.json").read_bytes())
    assert document == report.as_json() == json.loads((tmp_path / "profiles/results/latest.json").read_bytes())
    assert parse(document) == report


def test_what_was_written_can_be_read_again(tmp_path: Path) -> None:
    report = failed()
    folder = write(report, tmp_path)
    document = json.loads((folder / "report.json").read_bytes())
    document["a key of a later version"] = 1
    document["steps"][0]["another"] = 2
    assert parse(document) == report


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
