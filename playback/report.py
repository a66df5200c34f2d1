"""The outcome of a replay: stable keys, plain values, written as `report.json` (contract: docs/formats.md)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["ComparisonOutcome", "JobOutcome", "Masked", "Mismatch", "Report", "StepOutcome", "Verdict"]

Verdict = Literal["passed", "failed", "error", "interrupted"]


@dataclass
class Mismatch:
    """One place where the answer was not the recorded one. `where` is `status`, `header:location`, `body:/items/0/total` …"""

    where: str
    expected: Any
    actual: Any
    message: str | None = None


@dataclass
class JobOutcome:
    """One background job of a step, in the order it was enqueued."""

    id: str
    function: str | None
    status: str
    duration_ms: float | None = None
    error: str | None = None
    children: list[JobOutcome] = field(default_factory=list)
    queue: str | None = None
    recorded_ms: float | None = None


@dataclass
class StepOutcome:
    """What one step sent and got. `result`: `passed`, `failed`, `error`, `skipped`."""

    id: str
    method: str
    path: str
    expected_status: int | None
    status: int | None = None
    result: str = "skipped"
    duration_ms: float | None = None
    wait_ms: float = 0.0
    jobs: list[JobOutcome] = field(default_factory=list)
    mismatches: list[Mismatch] = field(default_factory=list)
    note: str | None = None
    curl: str | None = None


@dataclass
class ComparisonOutcome:
    """One file of the run against its baseline."""

    target: str
    method: str
    result: str
    summary: str
    details: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)


@dataclass
class Masked:
    """How much was not compared strictly: values looked at, values not compared, and why."""

    compared: int = 0
    masked: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def copy(self) -> Masked:
        """The counts as they are, to come back to with `restore`."""
        return Masked(self.compared, self.masked, dict(self.reasons))

    def restore(self, other: Masked) -> None:
        """Forget what was counted since `other` was copied."""
        self.compared, self.masked, self.reasons = other.compared, other.masked, dict(other.reasons)

    @property
    def share(self) -> float:
        """Fraction of the compared values that was masked, 0 to 1."""
        return self.masked / self.compared if self.compared else 0.0


@dataclass
class Report:
    """The verdict on one replay, and everything needed to understand it."""

    profile: str
    run_id: str | None
    result: Verdict
    started_at: str
    duration_s: float
    base_url: str | None
    run_dir: str | None
    failing_step: str | None = None
    error: str | None = None
    diagnostics: str | None = None
    page: str | None = None
    """The report as a page for people."""
    masked: Masked = field(default_factory=Masked)
    steps: list[StepOutcome] = field(default_factory=list)
    comparisons: list[ComparisonOutcome] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    dry_run: bool = False
    """True: nothing was sent; the steps are what would be."""

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed, 2 error or interrupted."""
        return {"passed": 0, "failed": 1}.get(self.result, 2)

    def as_json(self) -> dict[str, Any]:
        """The report as plain values, keys as in the contract."""
        document = asdict(self)
        document["masked"]["share"] = round(self.masked.share, 4)
        return document
