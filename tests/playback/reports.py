"""Reports to test with: one that passed, and the same with whatever a test wants to be different."""

from __future__ import annotations

from typing import Any

from playback.report import ComparisonOutcome, JobOutcome, Masked, Mismatch, Report, StepOutcome

HOSTILE = "\x1b[31mred\x1b[0m\u202e\x00<b>&\"'\ud800"

TRACEBACK = """Traceback (most recent call last):
  File "/app/tasks.py", line 12, in run_wepp
    loss = total / hillslopes
           ~~~~~~^~~~~~~~~~~~
ZeroDivisionError: division by zero
"""


def passed(**changes: Any) -> Report:
    """A passed replay of two steps, one job and one file."""
    job = JobOutcome("4f2c", "tasks.run_wepp", "finished", 800.0)
    report = Report(
        profile="small-watershed",
        run_id="profile;;tmp;;0123456789abcdef0123456789abcdef",
        result="passed",
        started_at="2026-11-20T10:41:06.123456Z",
        duration_s=12.41,
        base_url="http://127.0.0.1:5000",
        run_dir=None,
        masked=Masked(120, 4, {"secret": 3, "ignore rule": 1}),
        steps=[
            StepOutcome("open-run", "GET", "/runs/x/rusle-10m/", 200, 200, "passed", 12.0),
            StepOutcome("run-wepp", "POST", "/runs/x/rusle-10m/run", 200, 200, "passed", 30.0, 800.0, [job]),
        ],
        comparisons=[ComparisonOutcome("output/summary.json", "json_exact", "passed", "alike")],
    )
    for name, value in changes.items():
        assert hasattr(report, name)
        setattr(report, name, value)
    return report


def failed(**changes: Any) -> Report:
    """The same, but the run failed: another answer, a job that raised, a file that differs."""
    report = passed(result="failed", failing_step="run-wepp")
    report.steps[1].result = "failed"
    report.steps[1].status = 500
    report.steps[1].jobs = [JobOutcome("4f2c", "tasks.run_wepp", "failed", 800.0, TRACEBACK)]
    report.steps[1].mismatches = [Mismatch("status", 200, 500), Mismatch("body:/message", "done", HOSTILE)]
    report.steps[1].curl = "curl -X POST http://127.0.0.1:5000/runs/x/rusle-10m/run"
    report.steps.append(StepOutcome("results", "GET", "/runs/x/rusle-10m/results", 200))
    report.comparisons[0] = ComparisonOutcome(
        "output/summary.json", "json_exact", "failed", "1 value differs", ["/soil_loss: expected 12.5, got 12.7"]
    )
    for name, value in changes.items():
        assert hasattr(report, name)
        setattr(report, name, value)
    return report
