"""`archive_diff`: the same members with the same content, whatever their order, times and compression level.

Contents compare by hash. Where hashes differ the method that suits the member decides (`default_method`), so a JSON
file in a zip may be written with its keys in another order. Archives inside archives compare by their bytes: nothing is
unpacked twice.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from .archive_members import container, contents, unpack
from .comparison import SHOWN, Comparator, Comparison, counted, excerpt
from .params import Params
from .registry import compare, default_method


def _judge(expected: Path, actual: Path, params: Params, artifacts: Path | None) -> Comparison:
    kinds = container(expected), container(actual)
    if kinds[0] != kinds[1]:
        return Comparison("failed", f"The expected file is a {kinds[0]}, the actual one a {kinds[1]}.")
    before, after = contents(expected), contents(actual)
    failed: dict[str, Comparison] = {}
    changed: list[str] = []
    for name in {**before, **after}:
        was, now = before.get(name), after.get(name)
        if was and now and was.kind == now.kind:
            if was != now:
                changed.append(name)
        else:
            failed[name] = Comparison("failed", f"expected {was or 'nothing'}, actual {now or 'nothing'}.")
    if changed:
        failed |= _compare_contents(expected, actual, changed, artifacts)
    if not failed:
        return Comparison("passed", f"No difference in {counted(len(before), 'member')}.")
    return _summed_up(failed)


def _compare_contents(expected: Path, actual: Path, names: list[str], artifacts: Path | None) -> dict[str, Comparison]:
    """The members of `names` that differ in more than their bytes."""
    outcomes: dict[str, Comparison] = {}
    with tempfile.TemporaryDirectory() as folder:
        left, right = _targets(Path(folder, "expected"), names), _targets(Path(folder, "actual"), names)
        unpack(expected, left)
        unpack(actual, right)
        for name in names:
            method = default_method(left[name])
            method = "exact_hash" if method == "archive_diff" else method
            outcomes[name] = compare(method, left[name], right[name], {}, artifacts)
    return {name: outcome for name, outcome in outcomes.items() if outcome.result == "failed"}


def _targets(folder: Path, names: list[str]) -> dict[str, Path]:
    """A place for each member: numbered, and ending as the member does, since the suffix tells how to compare."""
    folder.mkdir()
    return {
        name: folder / f"{number}-{''.join(c for c in name[-40:] if c.isascii() and (c.isalnum() or c in '._-'))}"
        for number, name in enumerate(names)
    }


def _summed_up(failed: dict[str, Comparison]) -> Comparison:
    first, *others = failed.items()
    name, outcome = first
    more = f" ({counted(len(failed), 'member')} differ)" if others else ""
    listed = [f"{excerpt(each)}: {failed[each].summary}" for each in list(failed)[:SHOWN]]
    if len(failed) > len(listed):
        listed.append(f"… and {len(failed) - len(listed):,} more")
    pictures = [picture for each in failed.values() for picture in each.pictures]
    summary = f"Member {excerpt(name)}: {outcome.summary.removesuffix('.')}{more}."
    return Comparison("failed", summary, [*listed, *outcome.details], pictures)


COMPARATOR = Comparator(Params, _judge)
