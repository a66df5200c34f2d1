"""What all pages share: templates, addresses, headers, refusals, forms, who asks."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from playback import access
from playback.logbook import PLAYBACK
from playback.runs import Runs
from playback.summary import visible
from playback.web import assets, show
from playback.web.records import Records

__all__ = ["NAVIGATION", "POLICY", "Site"]

NAVIGATION = [("catalogue", "Profiles", "/"), ("runs", "Runs", "/ui/runs"), ("audit", "Audit logs", "/ui/audit")]
"""Name, title and address of what stands at the head of every page."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    # With no-referrer a browser would send `Origin: null` with our own forms (Fetch, 3.1 "Origin header").
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_FORM_LIMIT = 64 * 1024
THEMES = ("auto", "light", "dark")

_log = logging.getLogger(PLAYBACK)


class Site:
    """The pages of one service."""

    def __init__(self, data_root: Path, runs: Runs, environ: Mapping[str, str]) -> None:
        self.data_root = data_root
        self.runs = runs
        self.environ = environ
        self.records = Records(data_root)
        self.templates = Environment(
            loader=PackageLoader("playback.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True, finalize=show.inert,
        )  # fmt: skip
        self.templates.filters |= show.FILTERS
        self.templates.globals |= {
            "asset": assets.address, "navigation": NAVIGATION, "themes": THEMES,
            "version": version("profile-test-engine"),
        }  # fmt: skip

    # ------------------------------------------------------------------ answers

    def page(self, request: Request, template: str, code: int = 200, **view: Any) -> Response:
        """The page that `template` makes of `view`."""
        base = request.scope.get("root_path", "")
        text = self.templates.get_template(template).render(
            view, url=lambda path: base + path, asset=lambda name: base + assets.address(name), theme=_theme(request),
            may_act=self.may_act(request), signed_in=access.COOKIE in request.cookies, path=_path(request),
        )  # fmt: skip
        return HTMLResponse(text.encode("utf-8", "backslashreplace"), code, _HEADERS)

    def refusal(self, request: Request, status: int, sentence: str) -> Response:
        """A page that says in one sentence why there is no other."""
        return self.page(request, "refusal.html", status, status=status, sentence=sentence)

    def see_other(self, request: Request, path: str) -> Response:
        """Where to look after something was changed; `path` is one of ours."""
        return RedirectResponse(self.url(request, path), 303, {"Cache-Control": "no-store"})

    def url(self, request: Request, path: str) -> str:
        """An address of ours as the browser must ask for it, behind a proxy with a prefix, too."""
        return str(request.scope.get("root_path", "")) + path

    def nothing_else(self) -> APIRouter:
        """What answers below `/ui` where there is no page."""
        router = APIRouter()

        @router.get("/ui/{path:path}")
        async def nothing(path: str, request: Request) -> Response:
            return self.refusal(request, 404, f"There is no page /ui/{path}.")

        return router

    # ------------------------------------------------------------------ who asks, and for what

    async def form(self, request: Request) -> dict[str, list[str]]:
        """The fields of an urlencoded form. Raises ValueError with a sentence."""
        content = bytearray()
        async for chunk in request.stream():
            content += chunk
            if len(content) > _FORM_LIMIT:
                raise ValueError(f"The form is larger than {_FORM_LIMIT} bytes.")
        try:
            return parse_qs(content.decode("ascii"), keep_blank_values=True, errors="replace", max_num_fields=2000)
        except ValueError:
            raise ValueError("The form cannot be read; send it as application/x-www-form-urlencoded.") from None

    def may_act(self, request: Request) -> bool:
        """Whether whoever asks may start, end or change anything."""
        return access.role(request.scope) == access.OPERATOR

    def audit(self, request: Request, sentence: str) -> None:
        """Leave word in the service's log of what was done, by whom and from where."""
        client = request.client.host if request.client else "unknown"
        _log.info("[page] %s at %s: %s", access.role(request.scope), client, visible(sentence))


def _theme(request: Request) -> str:
    chosen = request.cookies.get("theme", "auto")
    return chosen if chosen in THEMES else "auto"


def _path(request: Request) -> str:
    """The address that was asked for, below the prefix; of an answer to a form, which cannot be asked for, the first page."""
    if request.method != "GET":
        return "/"
    query = request.url.query
    return str(request.scope["path"]) + (f"?{query}" if query else "")


def local(path: str) -> str:
    """`path` when it leads to a page of ours, else the catalogue: nobody is sent elsewhere."""
    parts = urlsplit(path)
    plain = path.isprintable() and "\\" not in path
    return path if plain and path.startswith("/") and not (parts.scheme or parts.netloc) and path[1:2] != "/" else "/"
