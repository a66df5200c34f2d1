"""The first page: profiles with their last verdict and their trend, what runs now, drafts that wait for review."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response
from markupsafe import Markup

from assembler.drafts import Draft, list_drafts
from playback import catalogue
from playback.catalogue import slugs
from playback.engine import Options
from playback.envfile import environment
from playback.errors import UnknownProfile
from playback.runs import Run
from playback.web.paging import Page, number_of
from playback.web.records import Summary
from playback.web.site import Site
from playback.web.trend import sparkline

__all__ = ["begin", "routes"]

_TREND = 20  # runs
_AT_ONCE = 200  # profiles that one click may start
_RANK = {"failed": 0, "error": 1, "interrupted": 2, "never": 3, "passed": 4}
_SORTS: dict[str, tuple[str, Callable[[Row], Any]]]


@dataclass(frozen=True)
class Row:
    """A profile in the list."""

    slug: str
    title: str | None
    tags: list[str]
    steps: int | None
    problem: str | None
    last: Summary | None
    trend: Markup
    now: Run | None

    @property
    def result(self) -> str:
        return self.last.result if self.last else "never"

    def holds(self, words: str) -> bool:
        """Whether every one of `words` is in its name, title or tags."""
        text = " ".join([self.slug, self.title or "", *self.tags]).casefold()
        return all(word in text for word in words.casefold().split())


_SORTS = {
    "slug": ("Name", lambda row: row.slug),
    "verdict": ("Verdict, failures first", lambda row: (_RANK.get(row.result, 1), row.slug)),
    "newest": ("Last run, newest first", lambda row: [-ord(c) for c in row.last.started_at] if row.last else [0]),
    "slowest": ("Duration, longest first", lambda row: -((row.last.duration_s or 0.0) if row.last else -1.0)),
}


@dataclass(frozen=True)
class View:
    """What the page shows."""

    page: Page[Row]
    total: int
    counts: Counter[str]
    tags: list[tuple[str, int]]
    drafts: Sequence[Draft]
    now: Sequence[Run]
    q: str
    tag: str
    verdict: str
    sort: str
    matching: int
    as_of: datetime

    @property
    def sorts(self) -> list[tuple[str, str]]:
        return [(name, title) for name, (title, _) in _SORTS.items()]

    @property
    def query(self) -> str:
        """What keeps the choice when another page of it is looked at."""
        kept = {"q": self.q, "tag": self.tag, "verdict": self.verdict, "sort": self.sort if self.sort != "slug" else ""}
        query = urlencode({name: value for name, value in kept.items() if value})
        return f"?{query}&" if query else "?"


def view(site: Site, query: dict[str, str]) -> View:
    """The page for a query; whatever it cannot mean is left out of account."""
    rows = [_row(site, slug) for slug in slugs(site.data_root)]
    q, tag, verdict = query.get("q", "")[:200], query.get("tag", ""), query.get("verdict", "")
    sort = query.get("sort", "slug") if query.get("sort") in _SORTS else "slug"
    shown = [
        row for row in rows
        if row.holds(q) and (not tag or tag in row.tags) and (not verdict or row.result == verdict)
    ]  # fmt: skip
    page = Page.of_all(sorted(shown, key=_SORTS[sort][1]), number_of(query.get("page")), 50)
    with_trend = [_with_trend(site, row) for row in page.items]
    tags = Counter(tag for row in rows for tag in row.tags)
    return View(
        Page(with_trend, page.number, page.of, page.total, page.first), len(rows), Counter(row.result for row in rows),
        sorted(tags.items()), list_drafts(site.data_root), [run for run in site.runs if not run.ended],
        q, tag, verdict, sort, len(shown), datetime.now(UTC),
    )  # fmt: skip


def _row(site: Site, slug: str) -> Row:
    profile = site.records.profile(slug)
    last = next(iter(site.records.history(slug)), None)
    now = next((run for run in site.runs if run.slug == slug and not run.ended), None)
    if isinstance(profile, str):
        return Row(slug, None, [], None, profile, last, Markup(""), now)
    metadata = profile.metadata
    return Row(slug, metadata.title, metadata.tags, len(profile.steps), None, last, Markup(""), now)


def _with_trend(site: Site, row: Row) -> Row:
    trend = sparkline(site.records.history(row.slug)[:_TREND])
    return Row(row.slug, row.title, row.tags, row.steps, row.problem, row.last, trend, row.now)


def begin(site: Site, request: Request, wanted: Iterable[str], options: Options) -> list[Run]:
    """Start a run of each profile. Raises UnknownProfile before any has begun."""
    chosen = list(dict.fromkeys(wanted))
    for slug in chosen:
        catalogue.find(slug, site.data_root)
    begun = []
    for slug in chosen:
        replaying = environment(site.data_root, environ=site.environ, base_url=options.base_url)
        begun.append(site.runs.begin(Run(slug, options, replaying, verbose=True)))
        site.audit(request, f"run {begun[-1].id} of {slug} begun")
    return begun


def _chosen(site: Site, fields: dict[str, list[str]]) -> list[str]:
    """The profiles that a form names, one by one or by their tag."""
    if tag := fields.get("tag", [""])[0]:
        profiles = ((slug, site.records.profile(slug)) for slug in slugs(site.data_root))
        return [slug for slug, profile in profiles if not isinstance(profile, str) and tag in profile.metadata.tags]
    return fields.get("slug", [])


def _options(fields: dict[str, list[str]]) -> Options:
    def text(name: str) -> str | None:
        return fields.get(name, [""])[0].strip() or None

    return Options(
        base_url=text("base_url"), overlay=text("overlay"), keep=bool(text("keep")), keep_going=bool(text("keep_going"))
    )


def routes(site: Site) -> APIRouter:
    """`/` and `/ui/run`."""
    router = APIRouter()

    @router.get("/")
    async def page(request: Request) -> Response:
        found = await asyncio.to_thread(view, site, dict(request.query_params))
        return site.page(request, "catalogue.html", view=found)

    @router.post("/ui/run")
    async def run(request: Request) -> Response:
        try:
            fields = await site.form(request)
            chosen = await asyncio.to_thread(_chosen, site, fields)
            if not chosen:
                return site.refusal(
                    request, 422, "Nothing was chosen: mark the profiles to run, then send the form again."
                )
            if len(chosen) > _AT_ONCE:
                return site.refusal(
                    request, 422, f"{len(chosen)} profiles at once are too many; {_AT_ONCE} is the most."
                )
            begun = await asyncio.to_thread(begin, site, request, chosen, _options(fields))
        except ValueError as error:
            return site.refusal(request, 422, str(error))
        except UnknownProfile as error:
            return site.refusal(request, 404, str(error))
        return site.see_other(request, f"/ui/runs/{begun[0].id}" if len(begun) == 1 else "/ui/runs")

    return router
