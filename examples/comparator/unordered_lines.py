"""`unordered_lines`: the same lines as often, in any order."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pydantic import Field

from playback.comparators import Comparator, Comparison, Params, Unreadable


class LinesParams(Params):
    """What counts."""

    ignore_case: bool = Field(default=False, description="true or false")


def judge(expected: Path, actual: Path, params: LinesParams, artifacts: Path | None) -> Comparison:
    """Both files are there and not empty, `params` are checked; `artifacts` is a folder for pictures, or None."""
    before, after = _lines(expected, params), _lines(actual, params)
    missing, added = before - after, after - before
    if not missing and not added:
        return Comparison("passed", f"No difference in {before.total():,} lines.")
    details = [*(f"- {line}" for line in missing.elements()), *(f"+ {line}" for line in added.elements())]
    return Comparison("failed", f"{missing.total():,} lines are missing, {added.total():,} are new.", details[:20])


def _lines(path: Path, params: LinesParams) -> Counter[str]:
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as fault:
        raise Unreadable(path, f"is not UTF-8 at byte {fault.start:,}") from fault
    return Counter((text.casefold() if params.ignore_case else text).splitlines())


COMPARATOR = Comparator(LinesParams, judge)
