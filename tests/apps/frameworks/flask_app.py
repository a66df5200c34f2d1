"""The story in Flask."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, Response, jsonify, request

import recorder
from tests.apps.frameworks.story import BARE, MISHAP, PIECES, described, settings, token, user

app = Flask(__name__)


@app.get("/projects/<run>/<page>")
def page(run: str, page: str) -> str:
    return f"{run}: {page}, {request.args.getlist('q')}"


@app.post("/form")
def form() -> Any:
    return jsonify(request.form.to_dict(flat=False))


@app.post("/json")
def json() -> Any:
    return jsonify(request.get_json())


@app.post("/upload")
def upload() -> Any:
    file = request.files["file"]
    return jsonify(described(file.filename or "", file.read()))


@app.get("/stream")
def stream() -> Response:
    return Response(iter(PIECES), content_type="text/plain; charset=utf-8")


@app.get("/broken")
def broken() -> str:
    raise ValueError(MISHAP)


@app.post("/login")
def login() -> Response:
    answer = Response("welcome", content_type="text/plain")
    answer.set_cookie("login", token(request.form["name"]), httponly=True)
    return answer


@app.get("/me")
def me() -> str:
    return user(request.environ) or "nobody"


@app.get("/pid")
def pid() -> str:
    return str(os.getpid())


if not BARE:
    app.wsgi_app = recorder.wrap(app.wsgi_app, settings())  # type: ignore[method-assign]
