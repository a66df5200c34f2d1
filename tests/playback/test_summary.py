"""The text of a report is for somebody who has never seen the profile."""

from __future__ import annotations

import pytest

from playback.report import Mismatch, StepOutcome
from playback.summary import headline, render, sentence, step_lines
from tests.playback.reports import failed, passed

GONE = "the application no longer does what was recorded"
MEANT = "if a change is meant: wctl update-profile small-watershed"
SHOWN = r'''"\u001b[31mred\u001b[0m\u202e\u0000<b>&\"'\ud800"'''


def test_a_passed_replay_takes_few_lines() -> None:
    assert render(passed()).splitlines() == [
        "PASSED  small-watershed  2 steps, 1 file, 12.4 s",
        "  target http://127.0.0.1:5000",
        "",
        "Not compared: 4 of 120 values (3.3%): ignore rule 1, secret 3",
    ]


def test_a_failed_replay_says_what_where_and_what_next() -> None:
    text = render(failed(diagnostics="profiles/results/x/diagnostics", run_dir="playback_runs/0123", notes=["a note"]))
    assert text.splitlines() == [
        "FAILED at step run-wepp  small-watershed  2 steps, 1 file, 12.4 s",
        "  target http://127.0.0.1:5000",
        "",
        "Step 2, run-wepp, failed: POST /runs/x/rusle-10m/run",
        "  status: expected 200, got 500",
        '  body:/message: expected "done", got ' + SHOWN,
        "  job tasks.run_wepp: failed after 0.8 s (4f2c)",
        '        File "/app/tasks.py", line 12, in run_wepp',
        "          loss = total / hillslopes",
        "                 ~~~~~~^~~~~~~~~~~~",
        "      ZeroDivisionError: division by zero",
        "",
        "Files that differ (1 of 1)",
        "  output/summary.json (json_exact): 1 value differs",
        "    /soil_loss: expected 12.5, got 12.7",
        "",
        "Note: a note",
        "Not compared: 4 of 120 values (3.3%): ignore rule 1, secret 3",
        "Diagnostics: profiles/results/x/diagnostics",
        "Workspace: playback_runs/0123",
        "Next: send the request again: curl -X POST http://127.0.0.1:5000/runs/x/rusle-10m/run",
        "Next: 1 step did not run; --keep-going replays them too",
        f"Next: {GONE}, or still has what an earlier replay left in it (a fresh instance tells); {MEANT}",
    ]


def test_what_an_earlier_replay_left_is_no_reason_where_it_cannot_be() -> None:
    alone = render(
        failed(steps=[StepOutcome("a", "GET", "/a", 200, 500, "failed"), StepOutcome("b", "GET", "/b", 200)])
    )
    assert alone.splitlines()[-1] == f"Next: {GONE}; {MEANT}"
    own = StepOutcome("a", "POST", "/runs/profile;;tmp;;0123456789abcdef0123456789abcdef/a", 200, 500, "failed")
    assert render(failed(steps=[own], run_dir="playback_runs/0123")).splitlines()[-1] == f"Next: {GONE}; {MEANT}"
    shared = StepOutcome("b", "GET", "/orders", 200, 200, "failed")
    report = failed(steps=[own, shared], run_dir="playback_runs/0123")
    assert "what an earlier replay left" in render(report).splitlines()[-1]


def test_nothing_recorded_reaches_the_terminal_as_it_is() -> None:
    hostile = "\x1b]0;owned\x07\r\n\u2028\u202e\x9b31m"
    step = StepOutcome(
        hostile, hostile, hostile, 200, 500, "failed", mismatches=[Mismatch(hostile, hostile, {hostile: 1})]
    )
    report = failed(
        profile=hostile, failing_step=hostile, error=hostile, steps=[step], notes=[hostile], diagnostics=hostile
    )
    text = render(report)
    assert all(line.isprintable() for line in text.split("\n"))
    assert "\\x1b]0;owned" in text


def test_long_values_are_shown_where_they_begin_to_differ() -> None:
    expected, actual = "a" * 500 + "X" + "b" * 500, "a" * 500 + "Y" + "b" * 500
    line = step_lines(StepOutcome("s", "GET", "/", 200, mismatches=[Mismatch("body", expected, actual)]))[1]
    assert "aaaXbbb" in line
    assert "aaaYbbb" in line
    assert len(line) < 220
    equal = Mismatch("body", "a" * 500, "a" * 500 + "!")
    line = step_lines(StepOutcome("s", "GET", "/", 200, mismatches=[equal]))[1]
    assert line.endswith('aaa!"')


def test_a_flood_of_differences_is_cut_and_counted() -> None:
    step = StepOutcome(
        "s", "GET", "/", 200, 200, "failed", mismatches=[Mismatch(f"body:/{n}", 1, 2) for n in range(30)]
    )
    assert step_lines(step)[-1].strip() == "… and 20 more differences, all in report.json"
    text = render(failed(steps=[step] * 8))
    assert "… and 3 steps more that failed, all in report.json" in text


@pytest.mark.parametrize(
    ("result", "sentence"),
    [("error", "Next: nothing was judged"), ("interrupted", "Next: it was stopped before the end")],
)
def test_without_a_verdict_it_says_so(result: str, sentence: str) -> None:
    text = render(passed(result=result, steps=[], comparisons=[], error="Nothing answers at http://127.0.0.1:5000."))
    assert text.startswith(result.upper())
    assert "\nNothing answers at http://127.0.0.1:5000.\n" in text
    assert sentence in text


def test_the_headline_counts_what_ran() -> None:
    assert headline(failed()) == "FAILED at step run-wepp  small-watershed  2 steps, 1 file, 12.4 s"


def test_what_is_absent_is_called_nothing_and_null_only_in_json() -> None:
    step = StepOutcome(
        "s", "GET", "/", 200, mismatches=[Mismatch("header:location", None, "/a"), Mismatch("body:/a", None, 1)]
    )
    assert step_lines(step)[1:] == ['  header:location: expected nothing, got "/a"', "  body:/a: expected null, got 1"]
    absent = StepOutcome(
        "s", "GET", "/", 200,
        mismatches=[Mismatch("body:/a", None, 1, "was not there when recorded"), Mismatch("body:/b", 1, None, "missing")],
    )  # fmt: skip
    assert step_lines(absent)[1:] == [
        "  body:/a: was not there when recorded; expected nothing, got 1",
        "  body:/b: missing; expected 1, got nothing",
    ]


@pytest.mark.parametrize(
    ("mismatches", "said"),
    [
        ([Mismatch("status", 200, 500), Mismatch("body", "a", "b")], "answered 500 instead of 200"),
        ([Mismatch("jobs:tasks.run", "enqueued", None)], "job tasks.run was not enqueued"),
        ([Mismatch("jobs:tasks.run", None, "finished")], "job tasks.run was not enqueued when recorded"),
        ([Mismatch("jobs:tasks.run:queue", "a", "b")], "1 difference at jobs:tasks.run:queue"),
        ([Mismatch("jobs:tasks.run", "finished", "failed")], "job tasks.run is failed"),
        (
            [Mismatch("connection", "an answer", "x", "the connection was dropped or timed out")],
            "the connection was dropped or timed out",
        ),
        ([Mismatch("body:/a", 1, 2)], "1 difference at body:/a"),
        ([Mismatch("body:/a", 1, 2), Mismatch("body:/b", 1, 2)], "2 differences, the first at body:/a"),
        ([], "failed"),
    ],
)
def test_the_verdict_as_a_sentence_names_the_step_and_what_is_wrong(mismatches: list[Mismatch], said: str) -> None:
    steps = [
        StepOutcome("go", "GET", "/go", 200, 200, "failed", mismatches=mismatches),
        StepOutcome("b", "GET", "/b", 200),
    ]
    report = failed(steps=steps, comparisons=[])
    assert sentence(report) == f"Step 1 of 2, go, GET /go: {said}. 1 step did not run."


def test_the_verdict_as_a_sentence_of_other_replays() -> None:
    assert sentence(passed()) == "2 steps and 1 file: all as recorded."
    assert sentence(passed(comparisons=[])) == "2 steps: all as recorded."
    fine = [StepOutcome("a", "GET", "/", 200, 200, "passed")]
    assert sentence(failed(steps=fine, failing_step=None)) == "1 step went as recorded, but 1 of 1 file differs."
    assert sentence(passed(result="interrupted")) == "It was stopped after 2 of 2 steps, so this is no verdict."
    assert sentence(passed(result="error", error="Nothing answers.")) == "Nothing answers."


def test_a_request_that_fits_no_line_lies_beside_the_report() -> None:
    report = failed(diagnostics="results/x/diagnostics")
    report.steps[1].curl = f"curl --data-raw '{'x' * 500}' -b cookies.txt http://127.0.0.1/"
    again = "Next: send the request again (cookies.txt: those of a session of your own): cd results/x/diagnostics && sh curl.sh"
    assert again in render(report)
    report.steps[1].curl = "curl --data-raw 'a\nb' http://127.0.0.1/"
    assert "again: cd results/x/diagnostics && sh curl.sh" in render(report)
    assert "send the request again" not in render(failed(steps=report.steps))
