"""An engine that does what a test tells it, event by event, and a data root that has something of everything."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playback.comparators import compare
from playback.engine import Options, Progress
from playback.evidence import Evidence, KeyFile, Told
from playback.report import ComparisonOutcome, Mismatch, Report
from playback.results import write
from tests.playback.pages import HARM, SCRIPT, keep
from tests.playback.rasters import BASE, changed
from tests.playback.rasters import write as write_raster
from tests.playback.reports import failed
from tests.playback.serving import promote

FAILED = "f" * 32
"""The run that failed in every way."""
HOSTILE = "e" * 32
"""One whose every text is markup."""


class Puppet:
    """Stands where `playback.engine.replay` does: tells what is put into `events`, ends with the first report."""

    def __init__(self) -> None:
        self.events: queue.Queue[dict[str, Any] | Report] = queue.Queue()

    def __call__(
        self,
        slug: str,
        data_root: Path,
        options: Options,
        environ: Mapping[str, str],
        progress: Progress = lambda event: None,
        cancelled: threading.Event | None = None,
        run_id: str | None = None,
    ) -> Report:
        progress({"event": "run_started", "profile": slug, "run_id": run_id, "run_dir": None, "steps": 1})
        while True:
            told = self.events.get()
            if isinstance(told, Report):
                told.profile, told.run_id = slug, f"profile;;tmp;;{run_id}"
                write(told, data_root)
                return told
            progress(told)

    def begin(self, step: str, index: int = 0, of: int = 1) -> None:
        """A step begins."""
        self.events.put({"event": "step_started", "id": step, "method": "GET", "path": "/", "index": index, "of": of})

    def end(self, step: str, index: int = 0, of: int = 1, status: int = 200) -> None:
        """It ends."""
        self.events.put(
            {"event": "step_finished", "id": step, "result": "passed", "status": status, "duration_ms": 12.0, "wait_ms": 0.0,
             "mismatches": 0, "index": index, "of": of}
        )  # fmt: skip

    def jobs(self, step: str, *statuses: str) -> None:
        """The states of a job and of the jobs below it."""
        children = [
            {"id": f"j{n}", "function": "part", "status": s, "children": []} for n, s in enumerate(statuses[1:])
        ]
        tree = {"id": "j", "function": "whole", "status": statuses[0], "children": children}
        self.events.put({"event": "jobs", "id": step, "tree": tree})


def furnish(root: Path) -> None:
    """Profiles, runs and drafts below `root`."""
    promote(root, "small-watershed", "A small watershed", "climate, rq")
    promote(root, "burned", "After a fire", "climate, fire")
    promote(root, "coast", "At the sea", "salt")
    (root / "profiles" / "coast" / "README.md").write_text(f"# The coast\n\n| a | b |\n|---|---|\n| 1 | {SCRIPT} |\n")
    for number in range(8):
        keep(root, "burned", number, "failed" if number == 3 else "passed", duration_s=5.0 + number)
    draft = root / "profiles" / "_drafts" / "a-draft"
    draft.mkdir(parents=True)
    (draft / "status.json").write_text(
        json.dumps({"state": "ready", "steps": 3, "problems": [HARM.encode("utf-8", "replace").decode()]})
    )
    _failure(root)
    hostile = failed(
        profile="coast", run_id=f"profile;;tmp;;{HOSTILE}", error=HARM, notes=[HARM], failing_step="run-wepp"
    )
    hostile.steps[1].mismatches = [Mismatch(HARM, HARM, HARM, HARM)]
    hostile.steps[1].curl = hostile.steps[1].path = HARM
    hostile.comparisons = [ComparisonOutcome("x.txt", HARM, "failed", HARM, [HARM])]
    write(hostile, root, Evidence(diff=["--- a", "+++ b", "@@ -1 +1 @@", f"-{HARM}", f"+{HARM}x"]))


def _failure(root: Path) -> None:
    report = failed(run_id=f"profile;;tmp;;{FAILED}")
    report.steps[1].mismatches = [Mismatch("body:/soil/loss", 12.5, 12.75), Mismatch("status", 200, 500, "Oh no")]
    work = root / "work"
    work.mkdir()
    write_raster(work / "expected.tif", BASE)
    write_raster(work / "actual.tif", changed(((0, 5, 5), 99.5)))
    found = compare("raster_stats", work / "expected.tif", work / "actual.tif", {}, work / "pictures" / "1")
    pictures = [str(picture) for picture in found.pictures]
    report.comparisons.append(
        ComparisonOutcome("map.tif", "raster_stats", "failed", found.summary, list(found.details), pictures)
    )
    report.comparisons.append(ComparisonOutcome("rows.csv", "tabular_diff", "failed", "1 row differs"))
    expected = '{"soil": {"loss": 12.5}, "made": "2020"}'
    diff = ["--- expected", "+++ actual", "@@ -1,2 +1,2 @@", " {", "-12.5", "+12.75"]
    evidence = Evidence(expected=expected.encode(), diff=diff)
    evidence.exchanges = [Told("run-wepp", "POST /runs/x", f"HTTP 500\n\n{expected.replace('12.5', '12.75')}", 40)]
    evidence.look_at_files(report, work, work)
    for target, both in {"rows.csv": ("id,t\n1,5\n2,6\n", "id,t\n1,5\n2,7\n")}.items():
        for side, text in zip(("old", "new"), both, strict=True):
            (work / f"{side}-{target}").write_text(text)
        evidence.files.append(KeyFile(target, work / f"old-{target}", work / f"new-{target}"))
    write(report, root, evidence)
