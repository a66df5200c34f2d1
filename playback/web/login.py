"""Sign in with the token, out again, and choose light or dark: the posts that everybody may send."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import Response

from playback import access
from playback.web.site import THEMES, Site, local

__all__ = ["routes"]

_WRONG = 0.5  # seconds that a wrong token costs
_YEAR = 365 * 24 * 3600


def routes(site: Site) -> APIRouter:
    """`/ui/login`, `/ui/logout`, `/ui/theme`."""
    router = APIRouter()
    tokens = access.tokens(site.environ)

    @router.get("/ui/login")
    async def form(request: Request) -> Response:
        if not tokens:
            return site.see_other(request, "/")
        return site.page(request, "login.html", next=local(request.query_params.get("next", "/")), wrong=False)

    @router.post("/ui/login")
    async def sign_in(request: Request) -> Response:
        try:
            fields = await site.form(request)
        except ValueError as error:
            return site.refusal(request, 422, str(error))
        to = local(fields.get("next", ["/"])[0])
        role = access.role_of(fields.get("token", [""])[0].strip().encode(), tokens)
        if role is None:
            site.audit(request, "a wrong token at the login page")
            await asyncio.sleep(_WRONG)
            return site.page(request, "login.html", 401, next=to, wrong=True)
        answer = site.see_other(request, to)
        answer.set_cookie(
            access.COOKIE, access.issue(role, tokens[role]), max_age=access.LASTS, path=site.url(request, "/"),
            secure=request.url.scheme == "https", httponly=True, samesite="strict",
        )  # fmt: skip
        site.audit(request, f"signed in as {role}")
        return answer

    @router.post("/ui/logout")
    async def sign_out(request: Request) -> Response:
        answer = site.see_other(request, "/ui/login")
        answer.delete_cookie(access.COOKIE, path=site.url(request, "/"), httponly=True, samesite="strict")
        return answer

    @router.post("/ui/theme")
    async def choose_theme(request: Request) -> Response:
        try:
            fields = await site.form(request)
        except ValueError as error:
            return site.refusal(request, 422, str(error))
        answer = site.see_other(request, local(fields.get("next", ["/"])[0]))
        if (theme := fields.get("theme", [""])[0]) in THEMES:
            answer.set_cookie("theme", theme, max_age=_YEAR, path=site.url(request, "/"), samesite="lax")
        return answer

    return router
