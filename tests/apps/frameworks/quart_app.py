"""The story in Quart."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

from quart import Quart, Response, jsonify, request

import recorder
from tests.apps.frameworks.story import BARE, MISHAP, PIECES, described, settings, token, user

app = Quart(__name__)


@app.get("/projects/<run>/<page>")
async def page(run: str, page: str) -> str:
    return f"{run}: {page}, {request.args.getlist('q')}"


@app.post("/form")
async def form() -> Any:
    return jsonify((await request.form).to_dict(flat=False))


@app.post("/json")
async def json() -> Any:
    return jsonify(await request.get_json())


@app.post("/upload")
async def upload() -> Any:
    file = (await request.files)["file"]
    return jsonify(described(file.filename or "", file.read()))


@app.get("/stream")
async def stream() -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in PIECES:
            yield piece

    return Response(pieces(), content_type="text/plain; charset=utf-8")


@app.get("/broken")
async def broken() -> str:
    raise ValueError(MISHAP)


@app.post("/login")
async def login() -> Response:
    answer = Response("welcome", content_type="text/plain")
    answer.set_cookie("login", token((await request.form)["name"]), httponly=True)
    return answer


@app.get("/me")
async def me() -> str:
    return user(request.scope) or "nobody"


@app.get("/pid")
async def pid() -> str:
    return str(os.getpid())


if not BARE:
    app.asgi_app = recorder.wrap(app.asgi_app, settings())  # type: ignore[method-assign]
