"""The story in FastAPI."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Body, FastAPI, Form, Query, Request, Response, UploadFile
from fastapi.responses import PlainTextResponse, StreamingResponse

from recorder.asgi import RecorderMiddleware
from tests.apps.frameworks.story import BARE, MISHAP, PIECES, described, settings, token, user

app = FastAPI(default_response_class=PlainTextResponse)


@app.api_route("/projects/{run}/{page}", methods=["GET", "HEAD"])
async def page(run: str, page: str, q: Annotated[list[str], Query()] = []) -> str:  # noqa: B006
    return f"{run}: {page}, {q}"


@app.post("/form")
async def form(request: Request) -> Any:
    sent = await request.form()
    return Response(str({name: sent.getlist(name) for name in sent}), media_type="text/plain")


@app.post("/json")
async def json(sent: Annotated[Any, Body()]) -> str:
    return repr(sent)


@app.post("/upload")
def upload(file: UploadFile) -> str:
    return str(described(file.filename or "", file.file.read()))


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in PIECES:
            yield piece

    return StreamingResponse(pieces(), media_type="text/plain")


@app.get("/broken")
def broken() -> str:
    raise ValueError(MISHAP)


@app.post("/login")
def login(name: Annotated[str, Form()]) -> PlainTextResponse:
    answer = PlainTextResponse("welcome")
    answer.set_cookie("login", token(name), httponly=True)
    return answer


@app.get("/me")
def me(request: Request) -> str:
    return user(request.scope) or "nobody"


@app.get("/pid")
async def pid() -> str:
    return str(os.getpid())


if not BARE:
    app.add_middleware(RecorderMiddleware, settings=settings())
