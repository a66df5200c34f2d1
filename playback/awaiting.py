"""After a step was answered: wait for the job tree it started, for a status, a file or a line in a log.

What is waited for and for how long comes from the step; where job states can be seen, from the `JobSource`s.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from assembler.extractors import search
from assembler.profile import Step
from playback.answers import Comparer
from playback.errors import BadProfile
from playback.file_waits import FileWaits
from playback.job_graph import Graph, outcomes
from playback.job_results import mask, without_place
from playback.job_search import JobSearch
from playback.job_sources import JobSource
from playback.later import asked_pause
from playback.report import Mismatch, StepOutcome
from playback.template import Scope, Unknown, fill
from playback.untils import alike
from playback.waits import as_event, ending, failed_state, limit_of, reason, wait_for
from playback.wire import Client, Request
from recorder.jobs import TERMINAL, Tree, absent, aggregate, nodes

__all__ = ["Awaiting", "log_paths"]

_LONGEST_SEARCH = 1.0
"""Seconds after which a job that nothing has named is missing."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25
"""Seconds between two looks at what announces nothing."""


@dataclass
class Awaiting:
    """The waits of one replay. `client` gives the live client of a recorded one, `comparer` one for the jobs of a step;
    `run_page` is a template, `recorded_run` the id of the recorded run."""

    scope: Scope
    run_page: str
    run_dir: Path | None
    files: FileWaits
    sources: list[JobSource]
    client: Callable[[str], Client]
    comparer: Callable[[Step], Comparer]
    notes: list[str]
    progress: Callable[[dict[str, Any]], None]
    cancelled: threading.Event
    recorded_run: str | None = None
    search: JobSearch | None = None
    trees: dict[str, list[Tree]] | None = None
    """The job trees of each step as they ended, by its id; None: they are not kept."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held while something is compared."""
    _graph: Graph = field(default_factory=lambda: Graph(None))
    _present: set[str] = field(default_factory=set)
    _sizes: dict[Path, int] = field(default_factory=dict)

    def after(self, step: Step, outcome: StepOutcome) -> None:
        """Wait as the step says; what does not come true is a mismatch of the outcome."""
        wait = step.wait
        if wait is not None and wait.type == "job" and wait.job is not None:
            self.job(step, outcome, [fill(job, self.scope) for job in (wait.job, *wait.also)])
        elif wait is not None and wait.type == "status_poll":
            self._status(step, outcome)
        elif wait is None and step.action != "enqueue_rq" and self._graph.described:
            # The answer names none of its jobs.
            found = self._unnamed({})
            if self.search is not None and self.search.usable:
                self.job(step, outcome, found)
            else:
                names = ", ".join(entry.name for entry in self._graph.entries)
                self.notes.append(
                    f"Step {step.id}: its answer does not name {names}; without Redis nothing tells of them."
                )
        elif wait is not None and wait.type in ("file", "log_line"):
            limit = limit_of(wait.recorded, wait.timeout or step.timeout)
            self._file(step, outcome, wait.contains, wait.path, limit)
        if step.log_contains is not None and not outcome.mismatches:
            self._file(step, outcome, step.log_contains, None, limit_of(None, step.timeout))

    # ------------------------------------------------------------------ jobs

    def before(self, step: Step) -> None:
        """Note which jobs there are before `step` is sent, and how far logs go that it looks for a line in."""
        self._graph = Graph(step.expect)
        if logs := log_paths(step):
            self._sizes = self.files.sizes(fill(path, self.scope) for path in logs if path)
        if self.search is not None and self._graph.described:
            self._present = self.search.present(self._graph.queues())

    def job(self, step: Step, outcome: StepOutcome, job_ids: Sequence[str]) -> None:
        """Wait until the trees of these jobs have ended, and of what else the step enqueued; compare with the recording."""
        wait, graph = step.wait, self._graph
        limit = limit_of(wait.recorded if wait else None, (wait.timeout if wait else None) or step.timeout)
        began, trees, late = time.monotonic(), dict[str, Tree](), dict[str, str]()
        waiting = list(job_ids)
        while waiting:
            for job_id in waiting:
                self.progress({"event": "wait_started", "id": step.id, "job": job_id, "limit_s": limit})
                left = max(0.0, limit - (time.monotonic() - began))
                waited = wait_for(job_id, self.sources, left, self.cancelled.is_set, self._telling(step, graph))
                outcome.wait_ms = round(outcome.wait_ms + waited.seconds * 1000, 1)
                if waited.tree is None and not any(source.usable for source in self.sources):
                    # Nothing here can see jobs. The recorded work looked at their outcome later; so will the steps.
                    self.notes.append(f"Step {step.id}: {waited.problem}; later steps wait for what it shows.")
                    return
                trees[job_id] = waited.tree or absent(job_id)
                if waited.problem is not None and not (waited.tree and graph.is_open(waited.tree)):
                    late[job_id] = waited.problem
            waiting = [] if late else self._unnamed(trees)
        roots = [tree for tree in trees.values() if not any(_holds(other, tree) for other in trees.values())]
        if self.trees is not None:
            self.trees[step.id] = roots
        outcome.jobs.extend(
            outcomes(roots, graph, lambda node: bool(late) and not graph.enough(node | {"children": []}))
        )
        with self.lock:
            outcome.mismatches.extend(self._judged(step, graph, roots, late, limit))

    def _telling(self, step: Step, graph: Graph) -> Callable[[Tree], bool]:
        """`graph.enough`, which tells every tree that is another than the one before."""
        last: dict[str, Any] | None = None

        def enough(tree: Tree) -> bool:
            nonlocal last
            if (now := as_event(tree)) != last:
                last = now
                self.progress({"event": "jobs", "id": step.id, "tree": now})
            return graph.enough(tree)

        return enough

    def _unnamed(self, trees: Mapping[str, Tree]) -> list[str]:
        """Jobs of the recording that nothing has named yet, and that came into Redis with this step."""
        graph = self._graph
        known = [node for tree in trees.values() for node in nodes(tree)]
        missing = graph.missing(known)
        if self.search is None or not graph.described or not missing:
            return []
        before, began = self._present | {node["id"] for node in known}, time.monotonic()
        while self.search.usable:
            # Between a queue and a worker a job is nowhere for a moment, and some are enqueued after the answer.
            found = self.search.found(graph.queues(), before, missing)
            if found or time.monotonic() - began >= _LONGEST_SEARCH or self.cancelled.is_set():
                return found
            time.sleep(_FIRST_PAUSE)
        return []

    def _judged(
        self, step: Step, graph: Graph, roots: Sequence[Tree], late: Mapping[str, str], limit: float
    ) -> list[Mismatch]:
        comparer = self.comparer(step)
        every = [node for root in roots for node in nodes(root)]
        if late:
            problem = "; ".join(dict.fromkeys(late.values()))
            open_ = next((n for n in every if n["status"] not in TERMINAL and not n["abandoned"]), None)
            why = reason(open_, expired=True) if open_ is not None else None
            comparer.value("jobs", "finished", problem, next((n["exc_info"] for n in every if n["exc_info"]), why))
        elif not graph.entries or (every and all(node["function"] is None for node in every)):
            # Only the status of the whole is known, or to be looked at: it must be what the recorded one came to.
            for root in roots:
                self._whole(root, graph, comparer)
        else:
            recorded = self.recorded_run
            graph.compare(roots, comparer, without_place(recorded, self.run_dir))
        return comparer.mismatches

    def _whole(self, root: Tree, graph: Graph, comparer: Comparer) -> None:
        unkept = any(not entry.node.kept for entry in graph.entries)
        expected = graph.wholes()
        if root["status"] == "gone" and "finished" in expected and unkept:
            mask(comparer, "a job that Redis forgets at once")
            return
        came = aggregate({"status": graph.status(root), "children": root["children"]})
        bad = next((node for node in nodes(root) if graph.status(node) != "finished"), root)
        shown = came if came == "finished" else f"{bad['function'] or bad['id']} is {ending(bad)}"
        comparer.value(
            "jobs", came if came in expected else expected[0], came if came in expected else shown, reason(bad)
        )

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
            quiet = 0.0
            try:
                response = self.client(step.client).send(request)
                status, quiet = response.status_code, asked_pause(response)
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
            self.cancelled.wait(max(pause, min(quiet, began + limit - time.monotonic())))
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
        known = self.files.at_first if step.action == "wait" else self._sizes
        filled = fill(path, self.scope) if path is not None else None
        missing = self.files.wait(step.id, filled, phrase, limit, known)
        outcome.mismatches.extend([missing] if missing else [])


def log_paths(step: Step) -> list[str | None]:
    """The logs in which a step looks for a line; None stands for every `*.log`."""
    found: list[str | None] = [step.wait.path] if step.wait is not None and step.wait.type == "log_line" else []
    return [*found, None] if step.log_contains is not None else found


def _holds(tree: Tree, other: Tree) -> bool:
    """Whether `other` is a job below the root of `tree`."""
    return any(node["id"] == other["id"] for child in tree["children"] for node in nodes(child))
