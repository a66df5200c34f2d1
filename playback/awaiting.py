"""After a step was answered: wait for the job tree it started, for a status, a file or a line in a log.

What is waited for and for how long comes from the step; where job states can be seen, from the `JobSource`s.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from assembler.extractors import search
from assembler.profile import Step
from playback.errors import BadProfile
from playback.job_sources import JobSource
from playback.report import Masked, Mismatch, StepOutcome
from playback.template import Scope, Unknown, fill
from playback.untils import alike
from playback.waits import Waited, failed_state, limit_of, outcome_of, wait_for
from playback.wire import Client, Request
from recorder.jobs import Tree, aggregate, nodes

__all__ = ["Awaiting"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25
"""Seconds between two looks at what announces nothing."""


@dataclass
class Awaiting:
    """The waits of one replay. `client` gives the live client of a recorded one; `run_page` is a template."""

    scope: Scope
    run_page: str
    run_dir: Path | None
    sources: list[JobSource]
    client: Callable[[str], Client]
    masked: Masked
    notes: list[str]
    progress: Callable[[dict[str, Any]], None]
    cancelled: threading.Event

    def after(self, step: Step, outcome: StepOutcome) -> None:
        """Wait as the step says; what does not come true is a mismatch of the outcome."""
        wait = step.wait
        if wait is not None and wait.type == "job" and wait.job is not None:
            self.job(step, outcome, fill(wait.job, self.scope))
        elif wait is not None and wait.type == "status_poll":
            self._status(step, outcome)
        elif wait is not None and wait.type in ("file", "log_line"):
            limit = limit_of(wait.recorded, wait.timeout or step.timeout)
            self._file(step, outcome, wait.contains, wait.path, limit)
        if step.log_contains is not None and not outcome.mismatches:
            self._file(step, outcome, step.log_contains, None, limit_of(None, step.timeout))

    # ------------------------------------------------------------------ jobs

    def job(self, step: Step, outcome: StepOutcome, job_id: str) -> None:
        """Wait until the whole tree of `job_id` has ended, and compare it with the recorded one."""
        wait = step.wait
        limit = limit_of(wait.recorded if wait else None, (wait.timeout if wait else None) or step.timeout)
        self.progress({"event": "wait_started", "id": step.id, "job": job_id, "limit_s": limit})
        waited = wait_for(job_id, self.sources, limit, self.cancelled.is_set)
        outcome.wait_ms = round(outcome.wait_ms + waited.seconds * 1000, 1)
        if waited.tree is None and not any(source.usable for source in self.sources):
            # Nothing here can see jobs. The recorded work looked at their outcome later; so will the steps.
            self.notes.append(f"Step {step.id}: {waited.problem}; later steps wait for what it shows.")
            return
        if waited.tree is not None:
            outcome.jobs.append(outcome_of(waited.tree))
        outcome.mismatches.extend(self._judge_jobs((step.expect.jobs if step.expect else None) or {}, waited))

    def _judge_jobs(self, expected: dict[str, str], waited: Waited) -> list[Mismatch]:
        tree = waited.tree
        if tree is None or not waited.settled:
            return [Mismatch("jobs", "finished", waited.problem, _trace(tree))]
        if all(node["function"] is None for node in nodes(tree)):
            # Only the status of the whole is known: it must be what the recorded one came to.
            wanted = aggregate(_as_tree(expected)) if expected else "finished"
            self.masked.compared += 1
            return (
                []
                if aggregate(tree) == wanted
                else [Mismatch("jobs", wanted, waited.problem or "finished", _trace(tree))]
            )
        found = _by_function(tree)
        if not expected:
            return [] if waited.problem is None else [Mismatch("jobs", "finished", waited.problem, _trace(tree))]
        mismatches = []
        for name, status in expected.items():
            self.masked.compared += 1
            if name not in found:
                mismatches.append(Mismatch(f"jobs:{name}", status, None, "this job was not enqueued"))
            elif found[name]["status"] != status:
                mismatches.append(Mismatch(f"jobs:{name}", status, _shown(found[name]), found[name]["exc_info"]))
        if len(expected) > 1:
            # A recording whose workers were not hooked knows the root alone: then nothing can be called extra.
            extra = [name for name in found if name not in expected]
            mismatches.extend(
                Mismatch(f"jobs:{n}", None, _shown(found[n]), "was not enqueued when recorded") for n in extra
            )
        return mismatches

    # ------------------------------------------------------------------ status, files, logs

    def _status(self, step: Step, outcome: StepOutcome) -> None:
        """A relative endpoint is asked below the run's page until its field has the wanted state."""
        wait = step.wait
        assert wait is not None
        assert wait.endpoint is not None
        limit = limit_of(wait.recorded, wait.timeout or step.timeout)
        path, _, query = self._endpoint(fill(wait.endpoint, self.scope)).partition("?")
        request = Request("GET", path, query, [("accept", "application/json")], {})
        began, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            status: int | None = None
            try:
                response = self.client(step.client).send(request)
                status = response.status_code
                state = search(wait.field, response.json())
            except httpx.RequestError as error:
                state = f"no answer ({str(error) or type(error).__name__})"
            except (ValueError, RecursionError):
                state = f"status {status}, not JSON"
            spent = time.monotonic() - began
            outcome.wait_ms = round(spent * 1000, 1)
            if alike(state, wait.success_state):
                return
            hopeless = failed_state(state) or status in (401, 403, 404)
            if hopeless or spent >= limit or self.cancelled.is_set():
                where = f"wait:{wait.endpoint} {wait.field}"
                outcome.mismatches.append(Mismatch(where, wait.success_state, state, f"last seen after {spent:.1f} s"))
                return
            self.cancelled.wait(pause)
            pause = min(wait.interval or _LONGEST_PAUSE, pause * 1.4)

    def _endpoint(self, endpoint: str) -> str:
        if endpoint.startswith("/"):
            return endpoint
        try:
            return fill(self.run_page, self.scope) + endpoint
        except Unknown as unknown:
            raise BadProfile(
                f"The endpoint {endpoint!r} is relative to the run's page, and {unknown.args[0]} is not known: "
                "the seed holds no single .cfg file."
            ) from None

    def _file(self, step: Step, outcome: StepOutcome, phrase: str | None, path: str | None, limit: float) -> None:
        """Wait for a file below the run directory, or for a line in it (without `path`: in any log of the run)."""
        if self.run_dir is None:
            raise BadProfile(f"Step {step.id} waits for a file of the run, and this profile has no run directory.")
        began, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            if path is not None:
                wanted = self.run_dir / fill(path, self.scope)
                if not wanted.resolve().is_relative_to(self.run_dir.resolve()):
                    raise BadProfile(f"Step {step.id} waits for {path!r}, which lies outside the run directory.")
                files = [wanted]
            else:
                files = [p for p in self.run_dir.rglob("*.log") if p.is_file()]
            if any(f.is_file() and (phrase is None or phrase in f.read_text("utf-8", "replace")) for f in files):
                return
            if time.monotonic() - began >= limit or self.cancelled.is_set():
                where = f"file:{path or '*.log'}"
                outcome.mismatches.append(Mismatch(where, phrase or "exists", "not found", f"after {limit:g} s"))
                return
            self.cancelled.wait(pause)
            pause = min(_LONGEST_PAUSE, pause * 1.4)


def _by_function(tree: Tree) -> dict[str, Tree]:
    """The jobs of a tree by function, repeats numbered as the assembler numbers them."""
    found: dict[str, Tree] = {}
    for node in nodes(tree):
        name, count = node["function"] or node["id"], 2
        while name in found:
            name, count = f"{node['function']}#{count}", count + 1
        found[name] = node
    return found


def _as_tree(expected: dict[str, str]) -> Tree:
    children = [{"status": status, "children": []} for status in expected.values()]
    return {"status": "finished", "children": children}


def _shown(node: Tree) -> str:
    return "abandoned" if node["abandoned"] else str(node["status"])


def _trace(tree: Tree | None) -> str | None:
    return next((node["exc_info"] for node in nodes(tree) if node["exc_info"]), None) if tree else None
