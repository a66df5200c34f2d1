"""Compare the files of a replayed run with the baseline, each by its comparator.

`mapped` is ours: a text of the run compared as answers are, with the ids and times that the replay has learnt.
Everything else is a comparator of `playback.comparators`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assembler.profile import Comparison, Ignore, Profile
from playback import comparators
from playback.answers import Comparer
from playback.report import ComparisonOutcome, Masked, Mismatch
from playback.session import Session

__all__ = ["RunFiles"]

_DETAILS = 20


@dataclass
class RunFiles:
    """The comparisons of one replay. `pictures` is a folder for difference pictures, made when there are any."""

    profile: Profile
    baseline: Path
    run_dir: Path | None
    session: Session
    masked: Masked
    pictures: Path

    def compare(self) -> Iterator[ComparisonOutcome]:
        """Yield the outcome of each comparison of the profile, in order."""
        for number, comparison in enumerate(self.profile.comparisons):
            yield self._compare(comparison, self.pictures / str(number))

    def _compare(self, comparison: Comparison, pictures: Path) -> ComparisonOutcome:
        target, method = comparison.target, comparison.method
        expected = next((p for p in (self.baseline / "run" / target, self.baseline / target) if p.is_file()), None)
        if expected is None:
            return ComparisonOutcome(target, method, "failed", f"the baseline holds no {target}")
        if self.run_dir is None:
            reason = "the replayed run has no directory that can be read from here"
            return ComparisonOutcome(target, method, "failed", reason)
        actual = self.run_dir / target
        if method == "mapped":
            return self._mapped(comparison, expected, actual)
        found = comparators.compare(method, expected, actual, comparison.params, pictures)
        self.masked.compared += 1
        shown = [str(picture) for picture in found.pictures]
        return ComparisonOutcome(target, method, found.result, found.summary, list(found.details), shown)

    def _mapped(self, comparison: Comparison, expected: Path, actual: Path) -> ComparisonOutcome:
        target = comparison.target
        if not actual.is_file():
            return ComparisonOutcome(target, "mapped", "failed", f"{target} was not written")
        named = [Ignore(where=str(w), why="named in the comparison") for w in comparison.params.get("ignore", [])]
        ignore = [*self.profile.ignore, *named]
        comparer = Comparer(self.session.bijection, self.session.moment(), target, ignore, self.masked)
        media_type = "application/json" if target.endswith(".json") else "text/plain"
        comparer.body(media_type, expected.read_bytes(), actual.read_bytes())
        comparer.settle()
        self.session.differences[target] = comparer.mismatches
        if not comparer.mismatches:
            return ComparisonOutcome(target, "mapped", "passed", "the same, with ids and times mapped")
        details = [_line(mismatch) for mismatch in comparer.mismatches[:_DETAILS]]
        return ComparisonOutcome(target, "mapped", "failed", details[0], details)


def _line(mismatch: Mismatch) -> str:
    where = mismatch.where.removeprefix("body:")
    reason = f" ({mismatch.message})" if mismatch.message else ""
    return f"{where}: expected {mismatch.expected!r}, got {mismatch.actual!r}{reason}"
