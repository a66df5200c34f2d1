"""Replay twice on unchanged code: what differs then says nothing, and the narrowest rule that hides it is proposed.

Nothing is hidden by itself. A difference in a status, a job, a wait or a file's exact bytes is a failure and never
proposed; a rule that would hide a whole body only with `force`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from assembler.document import load_profile
from assembler.profile import Ignore, Profile
from assembler.revision import revise, with_rules
from assembler.shapes import pieces
from playback import catalogue, engine
from playback.baselines import baseline_file, baseline_of
from playback.bodies import covers_all
from playback.engine import Options, Progress
from playback.ignoring import literal
from playback.jsontext import dumps
from playback.overlays import overlaid
from playback.redact import hide
from playback.report import Masked, Mismatch, Report
from playback.session import Session
from playback.trash import discard
from playback.wording import clip

__all__ = ["Calibration", "Proposal", "calibrate", "write"]

REPLAYS = 2
MANY = 50
"""As many differences of one answer are listed at most; behind them may be more."""


@dataclass(frozen=True)
class Proposal:
    """One place that differs. `whole`: a rule for it hides a whole answer or file. `steady`: both replays agree there."""

    step: str
    where: str
    why: str
    whole: bool = False
    steady: bool = False

    @property
    def rule(self) -> Ignore:
        """The rule that hides this place and no other."""
        return Ignore(step=literal(self.step), where=literal(self.where), why=self.why, proposed_by="calibrate")


@dataclass
class Calibration:
    """What two replays showed. `proposals` are to be written, `refused` would hide too much, `failures` are sentences."""

    reports: list[Report] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    refused: list[Proposal] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 when every difference can be ignored, 1 when one cannot, 2 when a replay could not be judged."""
        if any(report.exit_code == 2 for report in self.reports):
            return 2
        return 1 if self.failures or self.refused else 0

    @property
    def masked(self) -> Masked:
        """How much of the last replay would not be compared with the proposed rules in place."""
        last = self.reports[-1].masked
        return Masked(last.compared, last.masked + len(self.proposals))

    def lines(self) -> Iterator[str]:
        """The calibration for people: rules as they would stand in the profile, then what no rule should hide."""
        for proposal in self.proposals:
            steady = "  (the same in both: did the code change?)" if proposal.steady else ""
            yield f"{proposal.step}  {proposal.where}: {proposal.why}{steady}"
        for proposal in self.refused:
            yield f"not proposed, it would hide a whole body (--force): {proposal.step}  {proposal.where}: {proposal.why}"
        yield from (f"not proposed, a failure: {sentence}" for sentence in self.failures)
        yield from self.notes
        if self.proposals:
            masked, before = self.masked, self.reports[-1].masked
            yield (
                f"{len(self.proposals)} rules: {masked.masked} of {masked.compared} values would not be compared "
                f"({masked.share:.1%}; {before.masked} now)"
            )

    def as_json(self) -> dict[str, Any]:
        """The calibration as plain values."""
        return {
            "profile": self.reports[-1].profile,
            "results": [report.result for report in self.reports],
            "proposals": [{**p.rule.model_dump(), "steady": p.steady} for p in self.proposals],
            "refused": [p.rule.model_dump() for p in self.refused],
            "failures": self.failures,
            "notes": self.notes,
            "masked": {"before": self.reports[-1].masked.masked, **vars(self.masked), "share": self.masked.share},
        }


def calibrate(
    slug: str,
    data_root: Path,
    options: Options,
    environ: Mapping[str, str],
    progress: Progress = lambda event: None,
    cancelled: threading.Event | None = None,
    *,
    force: bool = False,
) -> Calibration:
    """Replay `slug` twice and propose rules. Raises what `engine.replay` raises."""
    folder = catalogue.find(slug, data_root).parent
    profile = overlaid(load_profile(folder / "profile.yaml"), options.overlay)
    files: list[dict[str, list[Mismatch]]] = []
    found = Calibration()
    going = replace(options, keep_going=True, keep=False, dry_run=False)
    for _ in range(REPLAYS):

        def see(session: Session, report: Report) -> None:
            files.append(_hidden(session.differences, session.secrets_seen()))

        report = engine.replay(slug, data_root, going, environ, progress, cancelled, see)
        found.reports.append(report)
        if report.run_dir is not None and report.result != "passed":
            discard(Path(report.run_dir))
        if report.exit_code == 2:
            return found
    _judge(found, profile, folder, files, force=force)
    return found


def write(slug: str, data_root: Path, proposals: Sequence[Proposal], overlay: str | None = None) -> Path:
    """Add the rules to `profile.yaml`, or to its overlay of that name; return its path. Raises BadDocument.

    What varies in one environment says nothing of the others. Comments and layout are kept.
    """
    path = catalogue.find(slug, data_root)
    text = with_rules(path.read_text("utf-8"), [p.rule for p in proposals], str(path), overlay)
    revise(path.parent, {"profile.yaml": text.encode()})
    return path


def _judge(
    found: Calibration, profile: Profile, folder: Path, files: Sequence[Mapping[str, list[Mismatch]]], *, force: bool
) -> None:
    """Sort what differed in any replay into proposals, refusals and failures."""
    seen: dict[tuple[str, str], list[Mismatch | None]] = {}
    bad: set[str] = set()
    for number, report in enumerate(found.reports):
        for step, mismatch in _differences(report, files[number]):
            seen.setdefault((step, mismatch.where), [None] * REPLAYS)[number] = mismatch
            if not _ignorable(mismatch.where):
                bad.add(step)
        for file in report.comparisons:
            if file.result != "passed" and not files[number].get(file.target):
                sentence = f"The file {file.target} ({file.method}): {file.summary}"
                found.failures += [sentence] if sentence not in found.failures else []
        skipped = sum(step.result == "skipped" for step in report.steps)
        if skipped:
            found.failures.append(f"Replay {number + 1}: {skipped} steps did not run.")
    for (step, where), mismatches in seen.items():
        if step in bad:
            if not _ignorable(where):
                found.failures.append(f"Step {step}, {where}: {_told(mismatches)}")
            continue
        values = {dumps(m.actual) for m in mismatches if m is not None}
        steady = len(values) == 1 and None not in mismatches
        whole = where in ("body", "body:") or _remade(mismatches)
        proposal = Proposal(step, where, _told(mismatches), whole, steady)
        (found.refused if whole and not force else found.proposals).append(proposal)
    _refuse_everything(found, profile, folder, force=force)
    if [report.result for report in found.reports] == ["passed", "failed"]:
        found.notes.append(
            "The first replay passed and the second did not: what the first left in the application may be all that differs. "
            "Reset it, and see whether one replay passes again."
        )
    for step in sorted({s for s, _ in seen}):
        if sum(s == step for s, _ in seen) >= MANY:
            found.notes.append(f"Step {step} differs in {MANY} places or more; calibrate again when these are written.")


def _refuse_everything(found: Calibration, profile: Profile, folder: Path, *, force: bool) -> None:
    """Many narrow rules can hide a whole answer, too."""
    bodies = {s.id: s.expect for s in [*profile.prologue, *profile.steps] if s.expect is not None and s.expect.body}
    for step in {p.step for p in found.proposals}:
        expect = bodies.get(step)
        beside = baseline_file(baseline_of(folder, profile.metadata), step)
        path = folder / (expect.body or "") if expect is not None else beside
        kind = (expect.media_type or "") if expect is not None else "application/json" if step.endswith(".json") else ""
        mine = [p for p in found.proposals if p.step == step]
        if (
            not force
            and path is not None
            and path.is_file()
            and covers_all(kind, path.read_bytes(), {p.where for p in mine})
        ):
            found.proposals = [p for p in found.proposals if p.step != step]
            found.refused += [replace(p, whole=True) for p in mine]


def _differences(report: Report, files: Mapping[str, list[Mismatch]]) -> Iterator[tuple[str, Mismatch]]:
    for step in report.steps:
        yield from ((step.id, mismatch) for mismatch in step.mismatches)
    for target, mismatches in files.items():
        yield from ((target, mismatch) for mismatch in mismatches)


def _ignorable(where: str) -> bool:
    """True for what the comparer would pass over at a rule's word: headers and bodies."""
    return where == "body" or where.startswith(("body:", "header:"))


def _remade(mismatches: Sequence[Mismatch | None]) -> bool:
    """True where the lines or elements of the whole body were not even as many: nothing behind them was compared."""
    return any(m is not None and m.message is not None and "s became " in m.message for m in mismatches)


def _told(mismatches: Sequence[Mismatch | None]) -> str:
    """What differed, in one line: without values that a machine made, which might be somebody's secret."""
    some = [m for m in mismatches if m is not None]
    lives = list(dict.fromkeys(_value(m.actual) for m in some))
    when = "in one replay of two" if len(some) < REPLAYS else "in both replays" if len(lives) == 1 else "in two replays"
    reason = some[0].message or ""
    reason = f" ({clip(_veiled(reason), 80)})" if reason and "became" not in reason else ""
    return f"recorded {_value(some[0].expected)}, {' and '.join(lives)} {when}{reason}"


def _value(value: Any) -> str:
    return "nothing" if value is None else clip(_veiled(dumps(value)), 60)


def _veiled(text: str) -> str:
    return "".join(f"<{p.kind}>" if p.kind in ("secret", "opaque", "uuid") else p.text for p in pieces(text))


def _hidden(differences: Mapping[str, list[Mismatch]], secrets: set[str]) -> dict[str, list[Mismatch]]:
    """A copy in which no live secret stands."""

    def clean(value: Any) -> Any:
        return hide(value, secrets) if isinstance(value, str) else value

    return {
        target: [Mismatch(m.where, clean(m.expected), clean(m.actual), clean(m.message)) for m in mismatches]
        for target, mismatches in differences.items()
    }
