"""What GitHub is told: at the line of the failing step, in its own escaping, and nothing that a recording could make a command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from playback.annotations import append, markdown, workflow_command, workflow_commands
from playback.report import ComparisonOutcome, Mismatch, Report
from playback.summary import render
from tests.playback.reports import HOSTILE, failed, passed

THERE = {"GITHUB_ACTIONS": "true"}
PROFILE = """metadata: {slug: small-watershed}
prologue:
  - {id: login, path: /login}
steps:
  - id: open-run
    path: /

  - id: run-wepp  # the one
    path: /run
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "tests" / "profiles" / "small-watershed" / "profile.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(PROFILE)
    return tmp_path / "tests"


def test_it_points_at_the_line_of_the_failing_step(root: Path) -> None:
    (line,) = workflow_commands([passed(), failed()], root, {**THERE, "GITHUB_WORKSPACE": str(root.parent)})
    command, _, message = line.removeprefix("::").partition("::")
    assert command == (
        "error file=tests/profiles/small-watershed/profile.yaml,line=8,title=small-watershed%3A failed at run-wepp"
    )
    assert message.startswith("Step 2 of 3, run-wepp, POST /runs/x/rusle-10m/run: answered 500 instead of 200.")
    assert "%0A  status: expected 200, got 500%0A" in message


@pytest.mark.parametrize(("step", "at"), [("login", 3), ("open-run", 5), ("gone", 1), (None, 1)])
def test_every_step_has_its_line(step: str | None, at: int, root: Path) -> None:
    assert f"profile.yaml,line={at},title=" in workflow_command(failed(failing_step=step), root, THERE)


@pytest.mark.parametrize("text", [None, "\0: [", "a: &a 1\nb: *a\n", "steps: 3\n"])
def test_a_profile_that_cannot_be_read_has_no_line_or_the_first(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        path = tmp_path / "profiles" / "small-watershed" / "profile.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    line = workflow_command(failed(), tmp_path, THERE)
    assert re.match(r"::error file=profiles/small-watershed/profile\.yaml(,line=1)?,title=", line)


def test_only_there_only_what_did_not_pass_and_ten_at_most(root: Path) -> None:
    assert workflow_commands([failed()], root, {}) == []
    assert workflow_commands([failed()], root, {"GITHUB_ACTIONS": "false"}) == []
    assert workflow_commands([passed()], root, THERE) == []
    assert len(workflow_commands([failed()] * 30, root, THERE)) == 10


def test_no_text_becomes_a_command_or_ends_one(root: Path) -> None:
    nasty = "100%\r\n::set-env name=A::b\n##[error]x, y: z" + HOSTILE
    report = failed(profile="p", failing_step=nasty, error=nasty)
    report.steps[1].id = nasty
    report.steps[1].mismatches = [Mismatch(nasty, nasty, nasty, nasty)]
    line = workflow_command(report, root, THERE)
    assert line.isprintable()
    assert line.count("::") == 2 + line.partition("::error ")[2].partition("::")[2].count("::")
    properties = line.removeprefix("::error ").partition("::")[0]
    assert [part.partition("=")[0] for part in properties.split(",")] == ["file", "title"]
    assert "%25" in properties


def test_a_log_line_of_ours_is_no_command() -> None:
    report = failed()
    report.steps[1].jobs[0].error = "Traceback\n::add-mask::a\n  ::stop-commands::x\n##[command]y"
    report.comparisons[0].details = ["::error::z", "##[group]"]
    lines = render(report).splitlines()
    assert not any(line.lstrip().startswith("::") or "##[" in line for line in lines)
    assert any(": :add-mask::a" in line for line in lines)


def seen(text: str) -> str:
    """Markdown whose references and code elements are read."""
    return re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), text.replace("<code>", "").replace("</code>", ""))


def test_the_summary_says_what_differs() -> None:
    text = seen(markdown(failed(page="profiles/results/x/report.html")))
    for part in (
        "### ❌ small-watershed: failed",
        "Step 2 of 3, run-wepp",
        "| status | 200 | 500 |",
        "- output/summary.json: 1 value differs",
        "- Report: profiles/results/x/report.html",
        "wctl update-profile small-watershed",
        "Not compared: 4 of 120 values (3.3%).",
    ):
        assert part in text, part
    short = seen(markdown(passed()))
    assert "✅ small-watershed: passed" in short
    assert "2 steps and 1 file: all as recorded." in short


@pytest.mark.parametrize(
    "text", ["![x](http://evil/p.png)", "<img src=x>", "a|b", "`x`", "*b* _c_", "[a](javascript:x)", "@all #1"]
)
def test_nothing_recorded_is_markup(text: str) -> None:
    report = failed(failing_step="run-wepp", notes=[text], error=text, page=text)
    report.steps[1].mismatches = [Mismatch(text, text, text, text)]
    report.comparisons = [ComparisonOutcome(text, text, "failed", text)]
    written = markdown(report)
    assert text not in written
    assert text in seen(written)
    rows = [line for line in written.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {4}


def test_the_summary_is_appended_and_small(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    report: Report = failed(error="x" * 200_000)
    assert append([markdown(report), markdown(passed())], {"GITHUB_STEP_SUMMARY": str(path)}) is None
    assert path.read_text().startswith("before\n### ")
    huge = failed()
    huge.steps[1].mismatches = [Mismatch("w" * 100_000, 1, 2)] * 10
    assert len(markdown(huge)) < 64 << 10
    assert append([markdown(passed())], {}) is None
    problem = append([markdown(passed())], {"GITHUB_STEP_SUMMARY": str(tmp_path / "no" / "file")})
    assert problem == "The summary could not be written to GITHUB_STEP_SUMMARY: No such file or directory."
