"""A run as its events tell it while it goes on: which step it is at, what it waits for, what has ended how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from assembler.profile import Profile
from playback.report import JobOutcome, StepOutcome

__all__ = ["Progress", "follow"]


@dataclass
class Progress:
    """Where a run stands. `steps` are those of the profile, as far as it is known, with what became of each."""

    steps: list[StepOutcome] = field(default_factory=list)
    done: int = 0
    seen: int = 0
    """Events that were taken in: a listener goes on behind them."""
    ahead: int | None = None
    """Runs that come before, while it is queued."""
    waits: dict[str, dict[str, float | None]] = field(default_factory=dict)
    """Jobs that steps wait for, each with its limit in seconds, by the step's id."""
    trees: dict[str, dict[str, JobOutcome]] = field(default_factory=dict)
    """Job trees as last seen, by step and id."""
    compared: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def current(self) -> list[StepOutcome]:
        """The steps that are under way."""
        return [step for step in self.steps if step.result == "running"]

    @property
    def page_of_current(self) -> int:
        """Which of all steps the first of them is, from 0."""
        return next((n for n, step in enumerate(self.steps) if step.result == "running"), max(0, self.done - 1))


def follow(events: Iterable[Mapping[str, Any]], profile: Profile | None) -> Progress:
    """What `events` say of a run of `profile`."""
    planned = [*profile.prologue, *profile.steps] if profile else []
    told = Progress([
        StepOutcome(s.id, s.method, s.path or s.job or s.action, s.expect.status if s.expect else None, result="pending")
        for s in planned
    ])  # fmt: skip
    shift: int | None = None
    for event in events:
        told.seen += 1
        name, at = event.get("event"), event.get("index")
        if name == "run_queued":
            told.ahead = event.get("ahead")
        elif name == "step_started" and isinstance(at, int):
            if shift is None:  # with a cookie the prologue is left out
                shift = max(0, len(told.steps) - event["of"]) if isinstance(event.get("of"), int) else 0
                told.steps = told.steps[shift:]
            _step(told, at, event).result = "running"
        elif name == "step_finished" and isinstance(at, int):
            step = _step(told, at, event)
            step.result, step.status = str(event.get("result")), event.get("status")
            step.duration_ms, step.wait_ms = event.get("duration_ms"), event.get("wait_ms") or 0.0
            told.done += 1
            told.waits.pop(step.id, None)
        elif name == "wait_started":
            told.waits.setdefault(str(event.get("id")), {})[str(event.get("job"))] = event.get("limit_s")
        elif name == "jobs" and isinstance(event.get("tree"), dict):
            tree = _job(event["tree"])
            told.trees.setdefault(str(event.get("id")), {})[tree.id] = tree
        elif name == "compared":
            told.compared.append(event)
    for step in told.steps:
        step.jobs = list(told.trees.get(step.id, {}).values())
    return told


def _step(told: Progress, at: int, event: Mapping[str, Any]) -> StepOutcome:
    while len(told.steps) <= at:
        told.steps.append(StepOutcome("…", "", "", None, result="pending"))
    if told.steps[at].id != event.get("id"):
        told.steps[at] = StepOutcome(
            str(event.get("id")), str(event.get("method", "")), str(event.get("path", "")), None
        )
    return told.steps[at]


def _job(tree: Mapping[str, Any]) -> JobOutcome:
    children = [_job(child) for child in tree.get("children") or [] if isinstance(child, dict)]
    return JobOutcome(
        str(tree.get("id")), tree.get("function"), str(tree.get("status")), tree.get("duration_ms"), None, children,
        tree.get("queue"),
    )  # fmt: skip
