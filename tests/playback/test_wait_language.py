"""Everything a step can wait for: it comes late and the step passes; it never comes, and the step says what was seen last."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from playback.engine import Options, replay
from playback.errors import BadProfile
from playback.report import Mismatch, Report
from tests.playback.site import PAGE, Answer, Site, profile

LATE = 0.3
JOB = "3f0c5a7e-0000-4000-8000-000000000001"
HEAD = "metadata: {slug: shop, run: clone}\nsteps:\n"
SEED = {"seed/run/main.cfg": "[run]\n", "seed/run/run.log": "begun in June\nready\n", "seed/run/out/old.txt": "old"}


class Work:
    """What the application is at: half of it when it is asked, all of it a moment later, unless it never ends."""

    def __init__(self, root: Path, ends: bool) -> None:
        self.root, self.ends, self.began = root, ends, time.monotonic()
        self.asked: list[str] = []

    @property
    def done(self) -> bool:
        return self.ends and time.monotonic() - self.began >= LATE

    def end(self, run: Path) -> None:
        time.sleep(LATE)
        (run / "out" / "new.txt").write_text("new")
        with (run / "run.log").open("a") as log:
            log.write("now ready, all of it\n")

    def start(self, sent: str) -> Answer:
        self.began = time.monotonic()
        (run,) = [p for p in (self.root / "playback_runs").iterdir() if not p.name.startswith(".")]
        with (run / "run.log").open("a") as log:
            log.write("half way\n")
        if self.ends:
            threading.Thread(target=self.end, args=(run,)).start()
        return Answer({"job_id": JOB, "place": "../outside.log"})

    def state(self, sent: str) -> Answer:
        status = {"state": "done" if self.done else "busy", "result": 7 if self.done else None}
        return Answer({"job": status, "status": "finished" if self.done else "started"})

    def page(self, sent: str) -> Answer:
        return Answer("<p>All done" if self.done else "<p>Be patient", PAGE, 200 if self.done else 202)


def replayed(root: Path, steps: str, *, ends: bool) -> Report:
    work = Work(root, ends)
    if ends:  # then no limit is to come first
        steps = steps.replace(f"timeout: {LIMIT}", "timeout: 60")
    profile(root, HEAD + steps, SEED)
    routes = {"/start": work.start, "/state": work.state, "/page": work.page, f"/rq/api/jobstatus/{JOB}": work.state}
    with Site(routes) as site:
        return replay("shop", root, Options(site.url), {})


START = "  - {id: start, method: POST, path: /start, expect: {status: 200}, extract: {job_id: {json: job_id}}%s}\n"


def starting(wait: str) -> str:
    """The step that starts the work waits for it."""
    return START % f", {wait}"


def then(step: str) -> str:
    """Another step does."""
    return START % "" + f"  - {{id: then, {step}}}\n"


LIMIT = 1.5
WAITS: dict[str, tuple[str, str, str]] = {
    # step, where the difference is, what was seen last
    "job": (
        starting(f'wait: {{type: job, job: "{{{{ steps.start.job_id }}}}", timeout: {LIMIT}}}'),
        "jobs", "is started after",
    ),
    "job, by a step of its own": (
        then(f'action: wait, wait: {{type: job, job: "{{{{ steps.start.job_id }}}}", timeout: {LIMIT}}}'),
        "jobs", "is started after",
    ),
    "status_poll": (
        starting(f"wait: {{type: status_poll, endpoint: /state, success_state: FINISHED, timeout: {LIMIT}}}"),
        "wait:/state status", "started",
    ),
    "status_poll of a field": (
        then(f"action: wait, wait: {{type: status_poll, endpoint: /state, field: job.state, success_state: done, timeout: {LIMIT}}}"),
        "wait:/state job.state", "busy",
    ),
    "poll equals": (
        then(f"path: /state, wait: {{type: poll, until: {{json: job.state, equals: done}}, timeout: {LIMIT}}}"),
        "wait:job.state", "busy",
    ),
    "poll differs": (
        then(f"path: /state, wait: {{type: poll, until: {{json: job.result, differs: null}}, timeout: {LIMIT}}}"),
        "wait:job.result", "None",
    ),
    "poll contains": (
        then(f"path: /page, wait: {{type: poll, until: {{contains: All done}}, timeout: {LIMIT}}}"),
        "wait:body", "Be patient",
    ),
    "poll status": (
        then(f"path: /page, wait: {{type: poll, until: {{status: 200}}, timeout: {LIMIT}}}"),
        "wait:status", "202",
    ),
    "file": (
        starting(f"wait: {{type: file, path: out/new.txt, timeout: {LIMIT}}}"),
        "file:out/new.txt", "in its folder: old.txt",
    ),
    "file, by a step of its own": (
        then(f"action: wait, wait: {{type: file, path: out/new.txt, timeout: {LIMIT}}}"),
        "file:out/new.txt", "in its folder: old.txt",
    ),
    "log_line": (
        starting(f"wait: {{type: log_line, path: run.log, contains: ready, timeout: {LIMIT}}}"),
        "file:run.log", "last line: half way",
    ),
    "log_line, by a step of its own": (
        then(f"action: wait, wait: {{type: log_line, path: run.log, contains: ready, timeout: {LIMIT}}}"),
        "file:run.log", "last line: half way",
    ),
    "log_contains": (starting(f"log_contains: ready, timeout: {LIMIT}"), "file:*.log", "last line: half way"),
    "log_contains beside a wait": (
        starting(f"log_contains: ready, timeout: {LIMIT}, wait: {{type: file, path: out/old.txt}}"),
        "file:*.log", "last line: half way",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WAITS)
def test_what_comes_late_is_waited_for(tmp_path: Path, name: str) -> None:
    steps, _, _ = WAITS[name]
    report = replayed(tmp_path, steps, ends=True)
    assert report.result == "passed", report.as_json()
    assert report.duration_s >= LATE


@pytest.mark.parametrize("name", WAITS)
def test_what_never_comes_is_red_with_what_was_seen_last(tmp_path: Path, name: str) -> None:
    steps, where, seen = WAITS[name]
    report = replayed(tmp_path, steps, ends=False)
    step = next(s for s in report.steps if s.result == "failed")
    (mismatch,) = waited_for(step.mismatches)
    assert (mismatch.where, seen in str(mismatch.actual)) == (where, True), mismatch
    assert LIMIT - 0.1 <= report.duration_s < LIMIT + 40


def waited_for(mismatches: list[Mismatch]) -> Iterator[Mismatch]:
    """Those of the wait; an answer that is not the one waited for may differ elsewhere, too."""
    return (m for m in mismatches if m.where.partition(":")[0] in ("wait", "jobs", "file"))


def test_the_limit_of_a_wait_comes_before_that_of_its_step(tmp_path: Path) -> None:
    steps = starting("timeout: 600, wait: {type: file, path: out/new.txt, timeout: 0.2}")
    assert replayed(tmp_path, steps, ends=False).duration_s < 300


def test_a_state_after_which_nothing_comes_is_not_waited_for(tmp_path: Path) -> None:
    until = json.dumps({"json": "job.state", "equals": "done", "stop_on": ["busy"]})
    report = replayed(tmp_path, then(f"path: /state, wait: {{type: poll, until: {until}, timeout: 600}}"), ends=False)
    (mismatch,) = waited_for(report.steps[1].mismatches)
    assert (mismatch.where, mismatch.actual, mismatch.message) == ("wait:job.state", "busy", "ended in another state")
    assert report.duration_s < 300


def test_an_answer_that_ends_a_wait_is_judged(tmp_path: Path) -> None:
    """By all that its step expects."""
    wait = f"wait: {{type: poll, until: {{contains: All}}, timeout: {LIMIT}}}"
    assert (
        replayed(tmp_path / "a", then(f"path: /page, expect: {{contains: done}}, {wait}"), ends=True).result == "passed"
    )
    report = replayed(tmp_path / "b", then(f"path: /page, expect: {{contains: ended}}, {wait}"), ends=True)
    assert (report.result, report.failing_step) == ("failed", "then")


def test_nothing_outside_the_run_is_looked_at(tmp_path: Path) -> None:
    """Whether the profile says so or an answer does."""
    with pytest.raises(BadProfile, match="would leave the run directory"):
        replayed(tmp_path / "a", starting("wait: {type: file, path: ../outside.log}"), ends=False)
    named = then('action: wait, wait: {type: file, path: "{{ steps.start.place }}"}')
    report = replayed(tmp_path / "b", named.replace("{job_id: {json: job_id}}", "{place: {json: place}}"), ends=False)
    assert report.result == "error"
    assert "lies outside the run directory" in (report.error or "")


def test_a_log_that_is_begun_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    def start(sent: str) -> Answer:
        (run,) = [p for p in (tmp_path / "playback_runs").iterdir() if not p.name.startswith(".")]
        (run / "run.log").write_text("ready\n")
        return Answer({"job_id": JOB})

    profile(tmp_path, HEAD + starting("log_contains: ready, timeout: 60"), SEED)
    with Site({"/start": start}) as site:
        assert replay("shop", tmp_path, Options(site.url), {}).result == "passed"
