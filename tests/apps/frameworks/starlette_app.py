"""The story in Starlette."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from recorder.asgi import RecorderMiddleware
from tests.apps.frameworks.story import BARE, MISHAP, PIECES, described, settings, token, user


async def page(request: Request) -> Response:
    run, name = request.path_params["run"], request.path_params["page"]
    return PlainTextResponse(f"{run}: {name}, {request.query_params.getlist('q')}")


async def form(request: Request) -> Response:
    sent = await request.form()
    return JSONResponse({name: sent.getlist(name) for name in sent})


async def json(request: Request) -> Response:
    return JSONResponse(await request.json())


async def upload(request: Request) -> Response:
    async with request.form() as sent:
        file = sent["file"]
        return JSONResponse(described(file.filename, await file.read()))  # type: ignore[union-attr, arg-type]


async def stream(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in PIECES:
            yield piece

    return StreamingResponse(pieces(), media_type="text/plain")


async def broken(request: Request) -> Response:
    raise ValueError(MISHAP)


async def login(request: Request) -> Response:
    answer = PlainTextResponse("welcome")
    answer.set_cookie("login", token(str((await request.form())["name"])), httponly=True)
    return answer


async def me(request: Request) -> Response:
    return PlainTextResponse(user(request.scope) or "nobody")


async def pid(request: Request) -> Response:
    return PlainTextResponse(str(os.getpid()))


routes = [Route("/projects/{run}/{page}", page), Route("/stream", stream), Route("/broken", broken)]
routes += [Route(f"/{view.__name__}", view, methods=["POST"]) for view in (form, json, upload, login)]
routes += [Route("/me", me), Route("/pid", pid)]
middleware = [] if BARE else [Middleware(RecorderMiddleware, settings=settings())]
app = Starlette(routes=routes, middleware=middleware)
