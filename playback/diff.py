"""What changed between two recordings of one piece of work: a promoted profile and a draft, or any two profile folders.

Steps are paired by what they ask for, not by their names; ids, tokens, origins and times that differ from one recording
to the next are no change. Answers are compared as a replay compares them, the newer recording in the place of the live
application.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from assembler.document import load_profile
from assembler.extractors import source_name
from assembler.profile import Comparison, Ignore, Profile, Step
from assembler.shapes import SECRET
from playback import comparators
from playback.answers import Comparer
from playback.baselines import baseline_file, baseline_of
from playback.bijection import Bijection, Moment
from playback.diff_steps import between, change_line, file_change, path_shape
from playback.report import Mismatch
from playback.wording import clip

__all__ = ["Change", "Diff", "diff"]

Kind = Literal["added", "removed", "changed", "moved"]
SHOWN = 5
"""Differences of one body that are named; the others are counted."""


@dataclass(frozen=True)
class Change:
    """One step, file or section that is not what it was. `details` are lines for people."""

    name: str
    change: Kind
    title: str = ""
    details: list[str] = field(default_factory=list)


@dataclass
class Diff:
    """All that changed from `old` to `new`, in the order of the new recording."""

    slug: str
    old: str
    new: str
    profile: list[str] = field(default_factory=list)
    steps: list[Change] = field(default_factory=list)
    comparisons: list[Change] = field(default_factory=list)
    ignore: list[Change] = field(default_factory=list)
    unchanged: int = 0
    """Steps that are what they were."""

    def __bool__(self) -> bool:
        return bool(self.profile or self.steps or self.comparisons or self.ignore)

    def as_json(self) -> dict[str, Any]:
        """The diff as plain values."""
        return asdict(self)


def diff(
    old: Path, new: Path, old_name: str = "", new_name: str = "", baselines: tuple[Path, Path] | None = None
) -> Diff:
    """Compare the profile in folder `old` with the one in `new`. Raises BadDocument when one cannot be read.

    `baselines` are where their files lie, when that is not where the documents say.
    """
    return _Pair(old, new, baselines).diff(old_name or old.name, new_name or new.name)


class _Pair:
    def __init__(self, old: Path, new: Path, baselines: tuple[Path, Path] | None) -> None:
        self.old, self.new = old, new
        self.was, self.now = load_profile(old / "profile.yaml"), load_profile(new / "profile.yaml")
        self.baselines = baselines or (baseline_of(old, self.was.metadata), baseline_of(new, self.now.metadata))
        self.bijection = Bijection()
        before, after = self.was.metadata.recorded_with, self.now.metadata.recorded_with
        for one, other in ((before.origin, after.origin), (before.run_id, after.run_id)):
            if one and other:
                self.bijection.know(one, other)
                if "://" in one and "://" in other:
                    self.bijection.know(one.partition("://")[2], other.partition("://")[2])
        self.began = [_seconds(before.started), _seconds(after.started)]
        self.slack = 120.0 + sum(
            max(0.0, _seconds(r.ended) - _seconds(r.started)) if r.started and r.ended else 0.0 for r in (before, after)
        )

    def diff(self, old_name: str, new_name: str) -> Diff:
        found = Diff(self.now.metadata.slug, old_name, new_name, _sections(self.was, self.now))
        self._steps(found)
        self._files(found)
        found.ignore = list(_rules(self.was.ignore, self.now.ignore))
        return found

    # ------------------------------------------------------------------ steps

    def _steps(self, found: Diff) -> None:
        olds, news = _all(self.was), _all(self.now)
        pairs = dict(_paired(olds, news))
        names = {news[n].id: olds[o].id for n, o in pairs.items()}
        latest = -1
        gone = [o for o in range(len(olds)) if o not in pairs.values()]
        for number, step in enumerate(news):
            place = pairs.get(number)
            if place is None:
                found.steps.append(Change(step.id, "added", _title(step), list(_sends(step, self.new))))
                continue
            while gone and gone[0] < place:
                found.steps.append(Change(olds[gone[0]].id, "removed", _title(olds[gone.pop(0)])))
            details = [*between(olds[place], step, self.old, self.new, names), *self._answer(olds[place], step)]
            moved = place < latest
            latest = max(latest, place)
            if details or moved:
                found.steps.append(Change(step.id, "changed" if details else "moved", _title(step), details))
            else:
                found.unchanged += 1
        found.steps += [Change(olds[o].id, "removed", _title(olds[o])) for o in gone]

    def _answer(self, old: Step, new: Step) -> Iterator[str]:
        """The recorded bodies, compared as a replay compares them."""
        for name, extract in old.extract.items():
            other = new.extract.get(name)
            if extract.was and other and other.was and not SECRET.fullmatch(extract.was):
                self.bijection.know(extract.was, other.was, source_name(extract))
        was, now = (old.expect.body if old.expect else None), (new.expect.body if new.expect else None)
        if (was is None) != (now is None):
            yield "answer: no longer has a recorded body" if now is None else "answer: now has a recorded body"
        elif was is not None and now is not None and old.expect is not None and new.expect is not None:
            comparer = Comparer(self.bijection, self._moment(old.at, new.at), new.id, path=new.path or "")
            contents = [_read(self.old / was), _read(self.new / now)]
            if None in contents:
                yield "answer: a recorded body is missing"
                return
            comparer.body(
                old.expect.media_type or "", _without_secrets(contents[0] or b""), _without_secrets(contents[1] or b"")
            )
            comparer.settle()
            yield from _summary("answer", comparer.mismatches)

    # ------------------------------------------------------------------ files

    def _files(self, found: Diff) -> None:
        was = {c.target: c for c in self.was.comparisons}
        now = {c.target: c for c in self.now.comparisons}
        for target in sorted({*was, *now}):
            before, after = was.get(target), now.get(target)
            if before is None or after is None:
                one = before or after
                assert one is not None
                found.comparisons.append(Change(target, "removed" if after is None else "added", one.method))
            elif details := [*_how(before, after), *self._content(after)]:
                found.comparisons.append(Change(target, "changed", after.method, details))

    def _content(self, comparison: Comparison) -> Iterator[str]:
        """The baseline's file in both, by the comparator that a replay would take."""
        old, new = (baseline_file(b, comparison.target) for b in self.baselines)
        if old is None or new is None:
            if old is not new:
                yield "the baseline no longer holds it" if new is None else "the baseline did not hold it before"
            return
        if comparison.method == "mapped":
            comparer = Comparer(self.bijection, self._moment(0, 0), comparison.target)
            kind = "application/json" if comparison.target.endswith(".json") else "text/plain"
            before, after = (_without_secrets(path.read_bytes()) for path in (old, new))
            comparer.body(kind, before, after)
            comparer.settle()
            yield from _summary("content", comparer.mismatches)
            return
        outcome = comparators.compare(comparison.method, old, new, comparison.params, None)
        if outcome.result != "passed":
            yield f"content: {outcome.summary}"
            if comparison.method == "exact_hash":
                yield file_change(old, new)

    def _moment(self, before: float | None, after: float | None) -> Moment:
        return Moment(self.began[0] + (before or 0.0), self.began[1] + (after or 0.0), self.slack)


# ---------------------------------------------------------------------------------------------------- pairing


def _all(profile: Profile) -> list[Step]:
    return [*profile.prologue, *profile.steps]


def _paired(olds: Sequence[Step], news: Sequence[Step]) -> Iterator[tuple[int, int]]:
    """Pairs of (new, old) numbers: the longest common order first, then what moved, then what kept its name."""
    before, after = [_key(s) for s in olds], [_key(s) for s in news]
    free, open_ = set(range(len(olds))), set(range(len(news)))

    def take(n: int, o: int) -> tuple[int, int]:
        free.discard(o)
        open_.discard(n)
        return n, o

    for o, n, size in difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
        yield from (take(n + i, o + i) for i in range(size))
    names, old_names = [(s.action, s.id) for s in news], [(s.action, s.id) for s in olds]
    for ours, theirs in ((after, before), (names, old_names), ([k[2:] for k in after], [k[2:] for k in before])):
        for n in sorted(open_):
            match = next((o for o in sorted(free) if tuple(ours[n]) == tuple(theirs[o])), None)
            if match is not None:
                yield take(n, match)


def _key(step: Step) -> tuple[str, str, str]:
    return step.action, step.method, path_shape(step.path or step.job or step.id)


def _title(step: Step) -> str:
    return f"{step.method} {step.path}" if step.path else f"{step.action} {step.job or ''}".strip()


def _sends(step: Step, folder: Path) -> Iterator[str]:
    """What an added step brings."""
    names = [n for n, _ in step.form or []] + [p.name for p in step.multipart or [] if p.file is None]
    if names:
        yield f"fields: {', '.join(dict.fromkeys(names))}"
    for part in step.multipart or []:
        if part.file is not None:
            size = (folder / part.file).stat().st_size if (folder / part.file).is_file() else 0
            yield f"file {part.filename or part.name}: {size} bytes"
    if step.expect is not None and step.expect.status is not None:
        yield f"expects: status {step.expect.status}"
    for name, status in ((step.expect.jobs if step.expect else None) or {}).items():
        yield f"job {name}: {status}"


# ---------------------------------------------------------------------------------------------------- sections


def _sections(was: Profile, now: Profile) -> list[str]:
    """What changed in metadata and prerequisites; where and when it was recorded does not count."""
    lines = []
    for section, skipped in (("metadata", {"recorded_with", "clients"}), ("prerequisites", set[str]())):
        before = getattr(was, section).model_dump(exclude=skipped)
        after = getattr(now, section).model_dump(exclude=skipped)
        lines += [
            change_line(f"{section}.{key}", before[key], after[key]) for key in after if before[key] != after[key]
        ]
    config = was.metadata.recorded_with.config, now.metadata.recorded_with.config
    if config[0] != config[1]:
        lines.append(change_line("config", *config))
    if sorted(was.overlays) != sorted(now.overlays):
        lines.append(change_line("overlays", sorted(was.overlays), sorted(now.overlays)))
    return lines


def _rules(was: Sequence[Ignore], now: Sequence[Ignore]) -> Iterator[Change]:
    before = {(r.step, r.where): r for r in was}
    after = {(r.step, r.where): r for r in now}
    for key in [*before, *(k for k in after if k not in before)]:
        if key not in after:
            yield Change(" ".join(key), "removed", before[key].why)
        elif key not in before:
            yield Change(" ".join(key), "added", after[key].why)


def _how(before: Comparison, after: Comparison) -> Iterator[str]:
    if before.method != after.method:
        yield change_line("method", before.method, after.method)
    if before.params != after.params:
        yield change_line("params", before.params, after.params)


def _summary(what: str, mismatches: Sequence[Mismatch]) -> Iterator[str]:
    if mismatches:
        more = " or more" if len(mismatches) >= 50 else ""
        yield f"{what}: differs in {len(mismatches)}{more} place{'s' if len(mismatches) > 1 else ''}"
    for mismatch in mismatches[:SHOWN]:
        reason = f" ({clip(mismatch.message, 80)})" if mismatch.message else ""
        yield change_line(f"  {mismatch.where}", mismatch.expected, mismatch.actual) + reason
    if len(mismatches) > SHOWN:
        yield f"  … and {len(mismatches) - SHOWN} more"


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _without_secrets(content: bytes) -> bytes:
    """All pseudonyms as one: a token that is signed anew for every page is another secret each time, in one recording
    at other places than in the next."""
    return re.sub(rb"secret-[a-z]+-[0-9a-f]{32}", b"secret-any-" + b"0" * 32, content)


def _seconds(moment: str | None) -> float:
    return datetime.fromisoformat(moment).timestamp() if moment else 0.0
