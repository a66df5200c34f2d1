"""The jobs of a step as they came in a replay, as `expect.jobs` and `expect.job_tree` say it: what `update-profile` accepts.

What a replay cannot see stays as it was recorded: how often a job was tried, that it was put off to a later time.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from assembler.job_trees import OVER
from assembler.profile import Expect
from playback.job_graph import Graph, Recorded
from playback.job_results import first_line, same_result
from playback.recorded_form import Place, RecordedForm
from playback.report import Mismatch
from playback.waits import ran
from recorder import jobs

__all__ = ["acceptable", "expectations"]

_JSON = "application/json"
_LARGEST_RESULT = 4096
"""Characters of JSON, as in a recording."""


def acceptable(mismatch: Mismatch) -> bool:
    """Whether a difference in the jobs is another graph, and not work that failed or was never seen to end."""
    kind, _, place = mismatch.where.partition(":")
    if kind != "jobs" or not place:
        return False
    return ":" in place or mismatch.actual in (None, "finished")


def expectations(
    step: str,
    expect: Expect | None,
    roots: Sequence[jobs.Tree],
    form: RecordedForm,
    place: Place,
    plain: Callable[[Any, bool], Any],
) -> dict[str, Any]:
    """The two keys. `plain(value, live)` takes out of a value where the run lies. Raises ValueError where what the step
    enqueues is not known in full, or has not ended."""
    nodes = list({node["id"]: node for root in roots for node in jobs.nodes(root)}.values())
    unseen = next((node for node in nodes if not node["tagged"]), None)
    if unseen is not None or not nodes:
        raise ValueError(
            f"Step {step}: not all of its jobs can be seen, for no recorder noted who enqueued {_name(unseen)}. Start "
            "application and workers with the recorder (RQ_CONFIG=recorder.rq), and replay with REDIS_URL or RECORDER_TOKEN"
        )
    return _Writer(Graph(expect), form, place, plain).written(nodes)


def _name(node: jobs.Tree | None) -> str:
    return str(node["function"] or node["id"]) if node else "any"


class _Writer:
    """Writes the jobs of one step; each recorded job lends what cannot be seen to the live one that is most like it."""

    def __init__(self, graph: Graph, form: RecordedForm, place: Place, plain: Callable[[Any, bool], Any]) -> None:
        self.graph, self.form, self.place, self.plain = graph, form, place, plain
        self._free = list(graph.entries)

    def written(self, nodes: Sequence[jobs.Tree]) -> dict[str, Any]:
        names: dict[str, str] = {}
        counts: Counter[str] = Counter()
        statuses: dict[str, str] = {}
        rows: dict[str, dict[str, Any]] = {}
        open_: set[str] = set()
        partners = {node["id"]: self._partner(node) for node in nodes}
        for node in nodes:
            entry, function = partners[node["id"]], node["function"]
            if entry is None and open_ & {node["parent"], *node["depends_on"]}:
                open_.add(node["id"])  # the recording ended before this could come
                continue
            counts[function] += 1
            names[node["id"]] = function + (f"#{counts[function]}" if counts[function] > 1 else "")
            if entry is not None and not entry.is_over:
                open_.add(node["id"])
        for node in nodes:
            if (name := names.get(node["id"])) is not None:
                entry = partners[node["id"]]
                statuses[name] = entry.status if entry and not entry.is_over else self.graph.status(node)
                rows[name] = self._row(node, entry, names, statuses[name])
        for entry in self._free:
            above = {*entry.node.depends_on, *([entry.node.parent] if entry.node.parent else [])}
            if not entry.node.kept and entry.status == "finished" and entry.name not in rows and above <= rows.keys():
                # Redis may have forgotten it before anybody looked.
                statuses[entry.name], rows[entry.name] = entry.status, entry.node.model_dump(exclude_unset=True)
        return {"jobs": statuses, "job_tree": rows}

    def _row(self, node: jobs.Tree, entry: Recorded | None, names: dict[str, str], status: str) -> dict[str, Any]:
        known = entry.node if entry is not None else None
        row: dict[str, Any] = {"queue": node["queue"]}
        if node["parent"] in names:
            row["parent"] = names[node["parent"]]
        if causes := [names[cause] for cause in node["depends_on"] if cause in names]:
            row["depends_on"] = causes
        if known is not None and known.scheduled:
            row["scheduled"] = True
        if not node["kept"]:
            row["kept"] = False
        if known is not None and known.runs > 1:
            row["runs"] = known.runs
        if known is not None and known.tries > 1:
            row["tries"] = known.tries
        if status == "finished" and "result" in node and node["result"] is not None:
            self._result(row, entry, node)
        elif status == "failed" and (raised := first_line(node["exc_info"])):
            row["exception"] = self._exception(entry, self.plain(raised, True))
        milliseconds = ran(node)
        if milliseconds is not None and "took" not in row and status in OVER:
            row["took"] = round(milliseconds / 1000, 3)
        return row

    def _partner(self, node: jobs.Tree) -> Recorded | None:
        alike = [e for e in self._free if e.function == node["function"]]
        entry = next((e for e in alike if self._same(e, node)), alike[0] if alike else None)
        if entry is not None:
            self._free.remove(entry)
        return entry

    def _same(self, entry: Recorded, node: jobs.Tree) -> bool:
        """Whether a replay would take what it returned for what was recorded."""
        milliseconds = ran(node)
        lasted = entry.node.took, None if milliseconds is None else milliseconds / 1000
        comparer = self.form.comparer(self.place)
        same_result("", self.plain(entry.node.result, False), self.plain(node.get("result"), True), lasted, comparer)
        comparer.settle()
        return not comparer.mismatches

    def _result(self, row: dict[str, Any], entry: Recorded | None, node: jobs.Tree) -> None:
        if entry is not None and self._same(entry, node):
            row["result"] = entry.node.result
            if entry.node.took is not None:
                row["took"] = entry.node.took
            return
        live = self.plain(node["result"], True)
        recorded = None if entry is None or entry.node.result is None else self.plain(entry.node.result, False)
        before = json.dumps(recorded).encode() if recorded is not None else None
        result = json.loads(self.form.body(self.place, _JSON, before, json.dumps(live).encode()))
        if len(json.dumps(result)) <= _LARGEST_RESULT:
            row["result"] = result

    def _exception(self, entry: Recorded | None, raised: str) -> str:
        before = entry.node.exception if entry is not None else None
        if before is not None:
            comparer = self.form.comparer(self.place)
            comparer.text("", self.plain(before, False), raised)
            comparer.settle()
            if not comparer.mismatches:
                return before
        return self.form.text(raised, self.place.moment)
