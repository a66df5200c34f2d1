"""One run: how it goes while it goes on, then the verdict and everything that explains it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from assembler.profile import Profile
from playback import results
from playback.errors import UnknownProfile
from playback.logbook import log_path
from playback.report import ComparisonOutcome, JobOutcome, Report, StepOutcome
from playback.runs import Run
from playback.summary import advice, sentence, sides
from playback.web.paging import Page, number_of
from playback.web.records import Summary
from playback.web.run_evidence import Failed, Picture, evidence_of_files, evidence_of_step
from playback.web.run_live import Progress, follow
from playback.web.side_by_side import Sides, marked
from playback.web.site import Site

__all__ = ["routes"]

STEPS = 50  # of a page
FAILING = 10  # steps that are shown with everything
FILES = 20
JOBS = 50
_LOG = 2 << 20  # bytes of the service's log that are looked through
_LINES = 400
_STOP = 10.0  # seconds that a cancelled run has to end while the browser waits

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Download:
    name: str
    size: int


@dataclass(frozen=True)
class View:
    """What the page shows of a run, whether it goes on or is over."""

    id: str
    slug: str
    state: str
    result: str | None
    said: str
    started_at: str
    duration_s: float | None
    base_url: str | None
    of: int
    done: int
    steps: Page[tuple[int, StepOutcome]]
    only_failed: bool
    counts: dict[str, int]
    seen: int = 0
    ahead: int | None = None
    current: Sequence[tuple[StepOutcome, dict[str, float | None]]] = ()
    failed: Sequence[Failed] = ()
    failed_more: int = 0
    files: Sequence[tuple[ComparisonOutcome, Sides, Sequence[Picture]]] = ()
    compared: Sequence[ComparisonOutcome] = ()
    jobs: Sequence[tuple[str, JobOutcome]] = ()
    jobs_more: int = 0
    report: Report | None = None
    next_steps: Sequence[str] = ()
    downloads: Sequence[Download] = ()
    log: Sequence[str] = field(default=())

    @property
    def live(self) -> bool:
        return self.state in ("queued", "running")

    @property
    def word(self) -> str:
        """What its state or verdict is called."""
        return self.result or self.state

    @property
    def percent(self) -> int:
        return round(100 * self.done / self.of) if self.of else 0

    @property
    def query(self) -> str:
        return "?" + (urlencode({"show": "failed"}) + "&" if self.only_failed else "")


# ---------------------------------------------------------------------- the view


def live_view(site: Site, run: Run, query: dict[str, str]) -> View:
    """A run that waits or goes on, or was refused."""
    told = follow(list(run.events), _profile(site, run.slug))
    steps = list(enumerate(told.steps, 1))
    asked = number_of(query["page"]) if "page" in query else told.page_of_current // STEPS + 1
    said = {"queued": _queued(told), "running": _running(told)}.get(run.state) or str(run.refusal or "It is ending.")
    jobs, more = _first([(s.id, job) for s in told.steps for job in s.jobs])
    compared = [
        ComparisonOutcome(str(c.get("target")), "", str(c.get("result")), str(c.get("summary"))) for c in told.compared
    ]
    return View(
        run.id, run.slug, run.state, None, said, run.started_at, None, run.options.base_url, len(steps), told.done,
        Page.of_all(steps, asked, STEPS), False, _counts(told.steps), told.seen, told.ahead,
        [(step, told.waits.get(step.id, {})) for step in told.current], jobs=jobs, jobs_more=more, compared=compared,
        log=_log_of(site.data_root, run.slug, run.id),
    )  # fmt: skip


def ended_view(site: Site, summary: Summary, query: dict[str, str]) -> View:
    """A run of which the report is kept. Raises FileNotFoundError when it has just gone."""
    report = site.records.report(summary)
    if report is None:
        raise FileNotFoundError(summary.folder)
    only = query.get("show") == "failed"
    steps = [(n, s) for n, s in enumerate(report.steps, 1) if not only or s.result not in ("passed", "skipped")]
    page = Page.of_all(steps, number_of(query.get("page")), STEPS)
    bad = [(n, step) for n, step in enumerate(report.steps, 1) if step.result not in ("passed", "skipped")]
    differing = [file for file in report.comparisons if file.result != "passed"]
    jobs, more = _first([(step.id, job) for step in report.steps for job in step.jobs])
    return View(
        summary.run_id, report.profile, "finished", report.result, sentence(report), report.started_at,
        report.duration_s, report.base_url, len(report.steps), sum(s.result != "skipped" for s in report.steps),
        page, only, _counts(report.steps),
        failed=[evidence_of_step(summary.folder, report, n, step) for n, step in bad[:FAILING]],
        failed_more=max(0, len(bad) - FAILING),
        files=[(file, *evidence_of_files(summary.folder, file)) for file in differing[:FILES]],
        compared=report.comparisons, jobs=jobs, jobs_more=more, report=report,
        next_steps=list(advice(report, curl=False)) if report.result != "passed" else [],
        downloads=list(_downloads(summary.folder)), log=_log_of(site.data_root, report.profile, summary.run_id),
    )  # fmt: skip


def _profile(site: Site, slug: str) -> Profile | None:
    try:
        found = site.records.profile(slug)
    except UnknownProfile:  # taken away meanwhile
        return None
    return None if isinstance(found, str) else found


def _queued(told: Progress) -> str:
    ahead = told.ahead or 0
    return (
        f"It waits for its turn; {ahead} other{'s' if ahead != 1 else ''} wait before it."
        if ahead
        else "It is the next one."
    )


def _running(told: Progress) -> str:
    return f"{told.done} of {len(told.steps)} steps done." if told.seen > 1 else "The workspace is made ready."


def _counts(steps: Sequence[StepOutcome]) -> dict[str, int]:
    found: dict[str, int] = {}
    for step in steps:
        found[step.result] = found.get(step.result, 0) + 1
    return found


def _first(jobs: list[tuple[str, JobOutcome]]) -> tuple[list[tuple[str, JobOutcome]], int]:
    """Whole trees, until there are enough jobs; those that did not finish all the same."""
    shown, left, size = [], 0, 0
    for step, job in jobs:
        members = list(_members(job))
        if size < JOBS or any(member.status != "finished" for member in members):
            shown.append((step, job))
        else:
            left += len(members)
        size += len(members)
    return shown, left


def _members(job: JobOutcome) -> Iterator[JobOutcome]:
    yield job
    for child in job.children:
        yield from _members(child)


def _downloads(folder: Path) -> Iterator[Download]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield Download(str(path.relative_to(folder)), path.stat().st_size)


def _log_of(data_root: Path, slug: str, run_id: str) -> list[str]:
    """The lines about this run at the end of the service's log."""
    try:
        with log_path(data_root).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _LOG))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    mark = f"[{slug} {run_id[:8]}]"
    return [line for line in text.splitlines() if mark in line][-_LINES:]


# ---------------------------------------------------------------------- pictures


def picture(folder: Path, name: str) -> Path | None:
    """A difference picture among the diagnostics; None for a name that is none."""
    path = folder / "diagnostics" / "pictures" / name
    plain = path.parent == folder / "diagnostics" / "pictures" and name.endswith(".png")
    return path if plain and path.is_file() and not path.is_symlink() else None


# ---------------------------------------------------------------------- addresses


def routes(site: Site) -> APIRouter:
    """`/ui/runs/{run_id}`, what belongs to it, and its end."""
    router = APIRouter()

    def find(run_id: str, query: dict[str, str]) -> View | None:
        run = site.runs.get(run_id)
        if run is not None and (not run.ended or run.report is None):
            return live_view(site, run, query)
        summary = site.records.find(run_id)
        if summary is not None:
            try:
                return ended_view(site, summary, query)
            except FileNotFoundError:
                return None
        return live_view(site, run, query) if run else None

    def unknown(request: Request, run_id: str) -> Response:
        return site.refusal(request, 404, f"There is no run {run_id}, or its report was cleared away.")

    @router.get("/ui/runs/{run_id}")
    async def page(run_id: str, request: Request) -> Response:
        view = await asyncio.to_thread(find, run_id, dict(request.query_params))
        if view is None:
            return unknown(request, run_id)
        return await asyncio.to_thread(lambda: site.page(request, "run.html", view=view, pair=sides, marked=marked))

    @router.get("/ui/runs/{run_id}/pictures/{name}")
    async def image(run_id: str, name: str, request: Request) -> Response:
        summary = await asyncio.to_thread(site.records.find, run_id)
        found = await asyncio.to_thread(picture, summary.folder, name) if summary else None
        if found is None:
            return unknown(request, run_id)
        headers = {"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "private, max-age=3600"}
        return FileResponse(found, media_type="image/png", headers=headers)

    @router.post("/ui/runs/{run_id}/cancel")
    async def cancel(run_id: str, request: Request) -> Response:
        run = site.runs.get(run_id)
        if run is None:
            return unknown(request, run_id)
        if not run.ended:
            site.audit(request, f"run {run.id} of {run.slug} cancelled")
            await asyncio.to_thread(site.runs.cancel, run)
            try:
                await asyncio.wait_for(run.over(), _STOP)
            except TimeoutError:
                _log.info("run %s takes its time to end", run.id)
        return site.see_other(request, f"/ui/runs/{results.short_id(run.id)}")

    return router
