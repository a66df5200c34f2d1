"""The story in Bottle."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from bottle import Bottle, request, response

import recorder
from tests.apps.frameworks.story import BARE, MISHAP, PIECES, described, settings, token, user

app = Bottle()


@app.get("/projects/<run>/<page>")
def page(run: str, page: str) -> str:
    return f"{run}: {page}, {request.query.getall('q')}"


@app.post("/form")
def form() -> dict[str, Any]:
    return {name: request.forms.getall(name) for name in request.forms}


@app.post("/json")
def json() -> dict[str, Any]:
    return {"sent": request.json}


@app.post("/upload")
def upload() -> dict[str, Any]:
    file = request.files["file"]
    return described(file.raw_filename, file.file.read())


@app.get("/stream")
def stream() -> Iterator[bytes]:
    response.content_type = "text/plain; charset=utf-8"
    yield from PIECES


@app.get("/broken")
def broken() -> str:
    raise ValueError(MISHAP)


@app.post("/login")
def login() -> str:
    response.content_type = "text/plain"
    response.set_cookie("login", token(request.forms["name"]), httponly=True)
    return "welcome"


@app.get("/me")
def me() -> str:
    return user(request.environ) or "nobody"


@app.get("/pid")
def pid() -> str:
    return str(os.getpid())


if not BARE:
    app = recorder.wrap(app, settings())
