"""All runs: those that wait or go on, then the latest results."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from playback.runs import Run
from playback.web.paging import Page, number_of
from playback.web.records import Summary
from playback.web.site import Site

__all__ = ["routes"]

_LATEST = 5000
RESULTS = ("passed", "failed", "error", "interrupted")


@dataclass(frozen=True)
class View:
    now: list[Run]
    page: Page[Summary]
    q: str
    verdict: str
    query: str


def view(site: Site, query: dict[str, str]) -> View:
    """The page for a query."""
    q, verdict = query.get("q", "")[:200], query.get("verdict", "")
    kept = site.records.recent(_LATEST)
    on_disk = {summary.run_id for summary in kept}
    # What was refused has no report, and what has just ended is about to have one.
    now = [run for run in site.runs if run.id not in on_disk and q in run.slug and not verdict]
    shown = [s for s in kept if q in s.profile and (not verdict or s.result == verdict)]
    kept_query = urlencode({name: value for name, value in (("q", q), ("verdict", verdict)) if value})
    return View(
        now,
        Page.of_all(shown, number_of(query.get("page")), 50),
        q,
        verdict,
        f"?{kept_query}&" if kept_query else "?",
    )


def routes(site: Site) -> APIRouter:
    """`/ui/runs`."""
    router = APIRouter()

    @router.get("/ui/runs")
    async def page(request: Request) -> Response:
        found = await asyncio.to_thread(view, site, dict(request.query_params))
        return site.page(request, "runs.html", view=found, verdicts=RESULTS)

    return router
