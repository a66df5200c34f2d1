"""Two runs of a profile side by side, or the profile and its draft: what one did that the other did not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from assembler import drafts
from assembler.document import BadDocument
from playback import catalogue
from playback import diff as recordings
from playback.diff import Diff
from playback.errors import UnknownProfile
from playback.report import ComparisonOutcome, JobOutcome, Mismatch, Report, StepOutcome
from playback.results import short_id
from playback.summary import sentence, sides
from playback.web.paging import Page, number_of
from playback.web.records import Summary
from playback.web.site import Site

__all__ = ["routes"]

STEPS = 50  # of a page
_SHOWN = 20  # steps that differ with everything, and mismatches of each
_CHOICE = 200  # runs to choose from
_SLOWER, _BY = 1.5, 100.0  # times, and milliseconds: less is what every run varies by


@dataclass(frozen=True)
class Side:
    """One of the runs."""

    summary: Summary
    report: Report
    said: str


@dataclass(frozen=True)
class Found:
    """A place where an answer was not the recorded one, in one of the runs or in both."""

    where: str
    expected: str
    left: str | None
    right: str | None
    """None: as recorded."""


@dataclass(frozen=True)
class Pair:
    """A step, or a file, in both runs; None where one of them does not have it."""

    number: int
    id: str
    left: StepOutcome | None
    right: StepOutcome | None
    found: Sequence[Found]
    more: int
    jobs: Sequence[tuple[str, str, str]]
    differs: bool
    """Whether the two did not come to the same; how long they took does not count."""

    @property
    def slower(self) -> str:
        """The run that took much longer for this step: `left`, `right` or nothing."""
        was, now = (_took(step) for step in (self.left, self.right))
        if was is None or now is None or abs(now - was) < _BY:
            return ""
        return "right" if now > was * _SLOWER else "left" if was > now * _SLOWER else ""


@dataclass(frozen=True)
class View:
    """What the page of two runs shows."""

    slug: str
    choice: Sequence[Summary]
    has_draft: bool
    left: Side | None = None
    right: Side | None = None
    steps: Page[Pair] | None = None
    differing: Sequence[Pair] = ()
    differing_more: int = 0
    files: Sequence[tuple[str, ComparisonOutcome | None, ComparisonOutcome | None]] = ()
    files_alike: int = 0
    masked_more: Sequence[tuple[str, int, int]] = ()

    @property
    def query(self) -> str:
        """What keeps the two runs when another page is looked at."""
        return f"?{urlencode({'left': _id(self.left), 'right': _id(self.right)})}&"

    @property
    def swapped(self) -> str:
        """The same, with the sides changed."""
        return f"?{urlencode({'left': _id(self.right), 'right': _id(self.left)})}"


def _id(side: Side | None) -> str:
    return side.summary.run_id if side else ""


def view(site: Site, slug: str, query: dict[str, str]) -> View:
    """Two runs of the history: those that were asked for, else the last two. Raises LookupError with a sentence."""
    catalogue_has = slug in catalogue.slugs(site.data_root)
    history = site.records.history(slug)
    draft = (site.data_root / "profiles/_drafts" / slug).is_dir() if catalogue_has else False
    if not history and not catalogue_has:
        catalogue.find(slug, site.data_root)  # says what there is
    choice = history[:_CHOICE]
    right = _chosen(site, slug, query.get("right"), choice[0] if choice else None)
    rest = [each for each in choice if each is not right]
    left = _chosen(site, slug, query.get("left"), rest[0] if rest else None)
    if left is None or right is None:
        return View(slug, choice, draft)
    one, other = _side(site, left), _side(site, right)
    pairs = list(_steps(one.report.steps, other.report.steps))
    differing = [pair for pair in pairs if pair.differs]
    files = list(_files(one.report.comparisons, other.report.comparisons))
    alike = [
        (name, was, now) for name, was, now in files
        if was and now and (was.result, was.summary) == (now.result, now.summary)
    ]  # fmt: skip
    reasons = [each.report.masked.reasons for each in (one, other)]
    masked = [(w, reasons[0].get(w, 0), reasons[1].get(w, 0)) for w in sorted({*reasons[0], *reasons[1]})]
    return View(
        slug, choice, draft, one, other, Page.of_all(pairs, number_of(query.get("page")), STEPS), differing[:_SHOWN],
        max(0, len(differing) - _SHOWN), [each for each in files if each not in alike][:500], len(alike),
        [each for each in masked if each[1] != each[2]],
    )  # fmt: skip


def _chosen(site: Site, slug: str, run_id: str | None, otherwise: Summary | None) -> Summary | None:
    if not run_id:
        return otherwise
    wanted = short_id(run_id)
    for summary in site.records.history(slug):
        if summary.run_id == wanted:
            return summary
    raise LookupError(f"There is no run {run_id} of {slug}, or its report was cleared away.")


def _side(site: Site, summary: Summary) -> Side:
    report = site.records.report(summary)
    if report is None:
        raise LookupError(f"The report of run {summary.run_id} was cleared away.")
    return Side(summary, report, sentence(report))


def _steps(left: Sequence[StepOutcome], right: Sequence[StepOutcome]) -> Iterator[Pair]:
    """Both lists by name, in the order of the right one; what only the left one has stands where it stood there."""
    ours, theirs = {step.id: step for step in right}, {step.id: step for step in left}
    order = [step.id for step in right]
    behind = ""
    for step in left:
        if step.id not in ours:
            order.insert(order.index(behind) + 1 if behind else 0, step.id)
        behind = step.id
    for number, name in enumerate(order, 1):
        was, now = theirs.get(name), ours.get(name)
        found = list(_found(was.mismatches if was else [], now.mismatches if now else []))
        jobs = list(_jobs(was.jobs if was else [], now.jobs if now else []))
        differs = was is None or now is None or (was.result, was.status) != (now.result, now.status) or bool(jobs)
        found.sort(key=lambda each: each.left == each.right)  # what both have is what neither tells from the other
        differs = differs or any(each.left != each.right for each in found)
        yield Pair(number, name, was, now, found[:_SHOWN], max(0, len(found) - _SHOWN), jobs, differs)


def _found(left: Sequence[Mismatch], right: Sequence[Mismatch]) -> Iterator[Found]:
    was, now = ({each.where: each for each in some} for some in (left, right))
    for where in dict.fromkeys([*(each.where for each in right), *(each.where for each in left)]):
        one, other = was.get(where), now.get(where)
        either = other or one
        assert either is not None
        yield Found(where, sides(either)[0], sides(one)[1] if one else None, sides(other)[1] if other else None)


def _jobs(left: Sequence[JobOutcome], right: Sequence[JobOutcome]) -> Iterator[tuple[str, str, str]]:
    """Function, and how it ended on either side, of the jobs that did not end alike."""
    was, now = (_ended(some) for some in (left, right))
    for name in dict.fromkeys([*now, *was]):
        if was.get(name) != now.get(name):
            yield name, was.get(name, "not there"), now.get(name, "not there")


def _ended(jobs: Sequence[JobOutcome]) -> dict[str, str]:
    found: dict[str, str] = {}
    waiting = list(jobs)
    while waiting:
        job = waiting.pop(0)
        waiting[:0] = job.children
        name = job.function or "unknown function"
        number = 2
        while name in found:
            name, number = f"{job.function} ({number})", number + 1
        found[name] = job.status
    return found


def _files(
    left: Sequence[ComparisonOutcome], right: Sequence[ComparisonOutcome]
) -> Iterator[tuple[str, ComparisonOutcome | None, ComparisonOutcome | None]]:
    was, now = ({each.target: each for each in some} for some in (left, right))
    yield from ((target, was.get(target), now.get(target)) for target in dict.fromkeys([*now, *was]))


def _took(step: StepOutcome | None) -> float | None:
    return None if step is None or step.duration_ms is None else step.duration_ms + step.wait_ms


def against_draft(data_root: Path, slug: str) -> Diff:
    """What the draft changes about the profile. Raises LookupError, ValueError."""
    old = catalogue.find(slug, data_root).parent
    return recordings.diff(old, drafts.folder_of(slug, data_root), "profile", "draft")


def routes(site: Site) -> APIRouter:
    """`/ui/compare/{slug}`."""
    router = APIRouter()

    @router.get("/ui/compare/{slug}")
    async def page(slug: str, request: Request) -> Response:
        query = dict(request.query_params)
        try:
            if query.get("with") == "draft":
                found = await asyncio.to_thread(against_draft, site.data_root, slug)
                return site.page(request, "differences.html", view=found, slug=slug)
            shown = await asyncio.to_thread(view, site, slug, query)
        except BadDocument as error:
            return site.refusal(request, 422, str(error))
        except (LookupError, UnknownProfile, ValueError) as error:
            return site.refusal(request, 404, str(error.args[0] if error.args else error))
        return await asyncio.to_thread(lambda: site.page(request, "compare.html", view=shown))

    return router
