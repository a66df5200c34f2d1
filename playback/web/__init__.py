"""The pages that the playback service shows to people; README.md in this folder says how one is added.

Rendered on the server: every page can be read without script, and what scripts there are only spare a reload. A page
is a module with a view model and its routes; `site.Site` is what all of them share.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fastapi import FastAPI

from playback.runs import Runs
from playback.web import assets, audit, catalogue, compare, draft_acts, login, profile, run, run_list
from playback.web.site import Site

__all__ = ["install"]

PAGES = (catalogue.routes, profile.routes, run_list.routes, run.routes, draft_acts.routes, compare.routes, audit.routes, login.routes)
"""Each puts the addresses of one page into a router."""


def install(app: FastAPI, data_root: Path, runs: Runs, environ: Mapping[str, str]) -> Site:
    """Serve the pages from `app`: the catalogue at `/`, everything else below `/ui`."""
    site = Site(data_root, runs, environ)
    for routes in PAGES:
        app.include_router(routes(site), include_in_schema=False)
    app.include_router(assets.routes(), include_in_schema=False)
    app.include_router(site.nothing_else(), include_in_schema=False)
    return site
