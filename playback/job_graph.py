"""The job graph as replayed against the graph as recorded: which jobs, on which queues, who enqueued them, what they waited
for, how they ended, what they returned or raised.

Only what the application determines is compared. Siblings may race, so they have no order; what has no number of its own
(retries, the runs of a Repeat, jobs that enqueue themselves again) is not counted; durations are shown.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from assembler.job_trees import OVER
from assembler.profile import Expect, JobNode
from playback.answers import Comparer
from playback.job_results import first_line, mask, same_result, undoing
from playback.report import JobOutcome
from playback.waits import ending, ran, reason
from recorder import jobs

__all__ = ["Graph", "Recorded", "outcomes"]

_UNKEPT = "a job that Redis forgets at once"
_NUMBER = re.compile(r"#\d+$")


@dataclass(frozen=True)
class Recorded:
    """One job of the recording."""

    name: str
    function: str
    status: str
    node: JobNode

    @property
    def is_over(self) -> bool:
        return self.status in OVER


class Graph:
    """What `expect` says of a step's jobs. `whole`: everything the step enqueued is there, so more is too much."""

    def __init__(self, expect: Expect | None) -> None:
        statuses = (expect.jobs if expect else None) or {}
        nodes = (expect.job_tree if expect else None) or {}
        self.whole = bool(nodes) or len(statuses) > 1
        self.described = bool(nodes)
        self.entries = [
            Recorded(name, _NUMBER.sub("", name), status, nodes.get(name) or JobNode())
            for name, status in statuses.items()
        ]

    @cached_property
    def by_function(self) -> dict[str, list[Recorded]]:
        found: dict[str, list[Recorded]] = defaultdict(list)
        for entry in self.entries:
            found[entry.function].append(entry)
        return dict(found)

    @cached_property
    def uncounted(self) -> set[str]:
        """Functions of which the number of jobs says nothing: they enqueue themselves again, which may depend on when they
        look, or come of a job that ran more than once; and all that comes of those."""
        above = {e.name: e for e in self.entries}
        found: set[str] = set()
        for entry in self.entries:
            parent = above.get(entry.node.parent or "")
            if parent and (parent.function == entry.function or parent.node.tries > 1):
                found.add(entry.function)
        while (
            more := {e.function for e in self.entries if e.node.parent and above[e.node.parent].function in found}
            - found
        ):
            found |= more
        return found

    def queues(self) -> set[str]:
        return {entry.node.queue for entry in self.entries if entry.node.queue}

    def missing(self, live: Iterable[jobs.Tree]) -> Counter[str]:
        """How many jobs of each function were recorded and are not among the live ones."""
        kept = [e for e in self.entries if e.node.kept or e.status != "finished"]
        wanted = Counter(e.function for e in kept if e.function not in self.uncounted)
        wanted.update(dict.fromkeys(self.uncounted, 1))
        return wanted - Counter(str(node["function"]) for node in live)

    def wholes(self) -> list[str]:
        """What may be said of a tree by who tells one status alone: that of all its jobs together, or of its root."""
        if not self.entries:
            return ["finished"]
        found = [jobs.aggregate({"status": "finished", "children": [_leaf(e) for e in self.entries if e.is_over]})]
        for root in self.entries:
            if root.node.parent is None and root.is_over:
                found += [
                    root.status,
                    jobs.aggregate({**_leaf(root), "children": [_leaf(e) for e in self._below(root)]}),
                ]
        return list(dict.fromkeys(found))

    def _below(self, root: Recorded) -> list[Recorded]:
        names = {root.name}
        while more := {e.name for e in self.entries if names & {e.node.parent, *e.node.depends_on}} - names:
            names |= more
        return [e for e in self.entries if e.name in names and e.is_over]

    # ------------------------------------------------------------------ waiting

    def enough(self, tree: jobs.Tree) -> bool:
        """Whether nothing is left to wait for: each job has ended, or gone as far as it had in the recording."""
        return all(
            node["status"] in jobs.TERMINAL or node["abandoned"] or self._as_far(node) for node in jobs.nodes(tree)
        )

    def is_open(self, tree: jobs.Tree) -> bool:
        """Whether only such jobs are left to wait for as were not over when the recording ended."""
        left = [node for node in jobs.nodes(tree) if not self.enough(node | {"children": []})]
        known = [self.by_function.get(str(node["function"]), []) for node in left]
        return bool(left) and all(entries and not any(entry.is_over for entry in entries) for entries in known)

    def _as_far(self, node: jobs.Tree) -> bool:
        known = self.by_function.get(str(node["function"]), [])
        if node["status"] == "scheduled" and known and all(e.status == "scheduled" for e in known):
            return True
        return _repeated(node, known)

    def status(self, node: jobs.Tree) -> str:
        """RQ's status of a job, `finished` for one that has run as often as in the recording and will again."""
        known = self.by_function.get(str(node["function"]), [])
        return "finished" if _repeated(node, known) else str(node["status"])

    # ------------------------------------------------------------------ judging

    def compare(self, roots: Sequence[jobs.Tree], comparer: Comparer, plain: Callable[[Any, bool], Any]) -> None:
        """Judge settled trees; findings and counts go to the comparer. `plain(value, live)` takes from a result or message
        where the run lies."""
        live = _Live(roots)
        partners: dict[str, list[tuple[Recorded, jobs.Tree]]] = {}
        for function in dict.fromkeys([*self.by_function, *live.by_function]):
            partners[function] = self._pair(function, live, comparer)
        for function, pairs in partners.items():
            for entry, node in pairs:
                self._one(entry, node, live, comparer)
            self._outcomes(function, pairs, comparer, plain)

    def _pair(self, function: str, live: _Live, comparer: Comparer) -> list[tuple[Recorded, jobs.Tree]]:
        """The recorded and the live jobs of one function, each with the one that is most like it."""
        entries, nodes = list(self.by_function.get(function, [])), list(live.by_function.get(function, []))
        pairs: list[tuple[Recorded, jobs.Tree]] = []
        for traits in (_TRAITS, _TRAITS[:1], ()):
            for entry in list(entries):
                alike = (n for n in nodes if all(t(self, live, entry) == t(self, live, n) for t in traits))
                if (node := next(alike, None)) is not None:
                    pairs.append((entry, node))
                    entries.remove(entry)
                    nodes.remove(node)
        if function in self.uncounted and pairs:
            usual = {entry.status for entry in self.by_function[function]}
            others = [(pairs[0][0], node) for node in nodes if self.status(node) not in usual]
            return [*pairs[:1], *others]
        for entry in entries:
            if live.nameless:
                pairs.append((entry, live.nameless.pop()))
                continue
            if not entry.node.kept and entry.status == "finished":
                mask(comparer, _UNKEPT)
                continue
            hint = "was not enqueued"
            if entry.node.parent and not live.hooked:
                hint += ", or the worker does not say so (it needs RQ_CONFIG=recorder.rq, or the replay a REDIS_URL)"
            comparer.value(f"jobs:{entry.name}", entry.status, None, hint)
        for node in nodes if self.whole else []:
            if not self._below_open(node, live):
                trace = reason(node)
                why = "was not enqueued when recorded"
                comparer.value(f"jobs:{function}", None, ending(node), f"{why}\n{trace}" if trace else why)
        return sorted(pairs, key=lambda pair: self.entries.index(pair[0]))

    def _below_open(self, node: jobs.Tree, live: _Live) -> bool:
        """What a job that was not over when the recording ended went on to enqueue is not in the recording."""
        seen: set[str] = set()
        above = live.causes(node)
        while above:
            function = above.pop()
            if function in seen:
                continue
            seen.add(function)
            if any(not entry.is_over for entry in self.by_function.get(function, [])):
                return True
            above.extend(cause for n in live.by_function.get(function, []) for cause in live.causes(n))
        return False

    def _one(self, entry: Recorded, node: jobs.Tree, live: _Live, comparer: Comparer) -> None:
        where, known = f"jobs:{entry.name}", entry.node
        if entry.is_over:
            status = self.status(node)
            if status == "gone" and entry.status == "finished" and not known.kept:
                mask(comparer, _UNKEPT)
            else:
                shown = status if status == entry.status else ending(node)
                comparer.value(where, entry.status, shown, reason(node))
        if known.queue is not None and node["queue"] is not None:
            comparer.value(f"{where}:queue", known.queue, node["queue"])
        if not self.described:
            return
        parent = live.parent(node)
        if parent is not None:
            was = _NUMBER.sub("", known.parent) if known.parent else "the request"
            comparer.value(f"{where}:enqueued by", was, parent)
        if live.tells_dependencies and node["status"] != "gone":
            before, after = _depended(known), live.dependencies(node)
            comparer.value(f"{where}:after", before, after, None if before == after else "it waits for other jobs now")

    def _outcomes(
        self,
        function: str,
        pairs: Sequence[tuple[Recorded, jobs.Tree]],
        comparer: Comparer,
        plain: Callable[[Any, bool], Any],
    ) -> None:
        """Results and exceptions. Which of several like jobs is which is not known: each may stand for any that it fits."""
        free = [node for _, node in pairs]
        for entry, own in pairs:
            candidates = [own, *(node for node in free if node is not own)] if own in free else free
            undo = undoing(comparer)
            for node in candidates:
                if self._same_outcome(entry, node, comparer, plain):
                    free.remove(node)
                    break
                undo()
            else:
                node = candidates[0]
                self._same_outcome(entry, node, comparer, plain)
                free.remove(node)

    def _same_outcome(
        self, entry: Recorded, node: jobs.Tree, comparer: Comparer, plain: Callable[[Any, bool], Any]
    ) -> bool:
        before = len(comparer.mismatches)
        where, known, status = f"jobs:{entry.name}", entry.node, self.status(node)
        if "result" in known.model_fields_set and status == "finished" and "result" in node:
            recorded, live = plain(known.result, False), plain(node["result"], True)
            milliseconds = ran(node)
            lasted = known.took, None if milliseconds is None else milliseconds / 1000
            same_result(f"{where}:result", recorded, live, lasted, comparer)
        elif known.exception is not None and status == "failed" and (raised := first_line(node["exc_info"])):
            comparer.text(f"{where}:exception", plain(known.exception, False), plain(raised, True))
        comparer.settle()
        return len(comparer.mismatches) == before


def _leaf(entry: Recorded) -> dict[str, Any]:
    return {"status": entry.status, "children": []}


def _depended(node: JobNode) -> list[str]:
    return sorted({_NUMBER.sub("", name) for name in node.depends_on})


def _repeated(node: jobs.Tree, known: Sequence[Recorded]) -> bool:
    """A job with a Repeat that has run as often as in the recording: what it does later was not seen."""
    if node["repeats_left"] is None or node["status"] not in ("scheduled", "queued"):
        return False
    return bool(node["runs"] >= max((entry.node.runs for entry in known), default=1))


class _Live:
    """The jobs of a replayed step, and how they hang together."""

    def __init__(self, roots: Sequence[jobs.Tree]) -> None:
        self.nodes = {node["id"]: node for root in roots for node in jobs.nodes(root)}
        self.hooked = any(node["parent"] is not None for node in self.nodes.values())
        self.tells_dependencies = any(node["function"] is not None for node in self.nodes.values())

    @cached_property
    def by_function(self) -> dict[str, list[jobs.Tree]]:
        found: dict[str, list[jobs.Tree]] = defaultdict(list)
        for node in sorted(self.nodes.values(), key=lambda n: (n["created_at"] or "", n["id"])):
            if node["function"] is not None:
                found[node["function"]].append(node)
        return dict(found)

    @cached_property
    def nameless(self) -> list[jobs.Tree]:
        """Jobs that were gone before anybody could look: what they were is not known."""
        return [node for node in self.nodes.values() if node["function"] is None]

    def parent(self, node: jobs.Tree) -> str | None:
        """The function that enqueued the job, or `the request`; None where nobody noted it."""
        if not node["tagged"]:
            return None
        if node["parent"] is None:
            return "the request"
        known = self.nodes.get(node["parent"])
        return str(known["function"]) if known else None

    def dependencies(self, node: jobs.Tree) -> list[str]:
        """Functions of the jobs of this step that it waited for."""
        return sorted({str(self.nodes[cause]["function"]) for cause in node["depends_on"] if cause in self.nodes})

    def causes(self, node: jobs.Tree) -> list[str]:
        parent = self.nodes.get(node["parent"] or "")
        return [*self.dependencies(node), *([str(parent["function"])] if parent else [])]


def _status_of(graph: Graph, live: _Live, job: Recorded | jobs.Tree) -> object:
    return job.status if isinstance(job, Recorded) else graph.status(job)


def _place_of(graph: Graph, live: _Live, job: Recorded | jobs.Tree) -> object:
    if isinstance(job, Recorded):
        return job.node.queue, _depended(job.node)
    return job["queue"], live.dependencies(job)


_TRAITS: tuple[Callable[[Graph, _Live, Recorded | jobs.Tree], object], ...] = (_status_of, _place_of)


def outcomes(roots: Sequence[jobs.Tree], graph: Graph, unfinished: Callable[[jobs.Tree], bool]) -> list[JobOutcome]:
    """Trees as the report shows them, with what was recorded beside; `unfinished(node)`: it was waited for in vain."""
    recorded = {function: list(entries) for function, entries in graph.by_function.items()}

    def shown(node: jobs.Tree) -> JobOutcome:
        known = recorded.get(str(node["function"]), [])
        entry = known.pop(0) if known else None
        expired = unfinished(node)
        again = graph.status(node) != node["status"]
        return JobOutcome(
            node["id"],
            node["function"],
            "finished" if again else ending(node, expired=expired),
            ran(node),
            reason(node, expired=expired),
            [shown(child) for child in node["children"]],
            node["queue"],
            round(entry.node.took * 1000, 1) if entry and entry.node.took is not None else None,
        )

    return [shown(root) for root in roots]
