"""The story in Pyramid."""

from __future__ import annotations

import os
from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

import recorder
from tests.apps.frameworks.story import BARE, MISHAP, PIECES, described, settings, token, user


def page(request: Request) -> Response:
    return Response(f"{request.matchdict['run']}: {request.matchdict['page']}, {request.GET.getall('q')}")


def form(request: Request) -> dict[str, Any]:
    return {name: request.POST.getall(name) for name in request.POST}


def json(request: Request) -> dict[str, Any]:
    return {"sent": request.json_body}


def upload(request: Request) -> dict[str, Any]:
    file = request.POST["file"]
    return described(file.filename, file.file.read())


def stream(request: Request) -> Response:
    return Response(app_iter=iter(PIECES), content_type="text/plain", charset="utf-8")


def broken(request: Request) -> Response:
    raise ValueError(MISHAP)


def login(request: Request) -> Response:
    answer = Response("welcome", content_type="text/plain")
    answer.set_cookie("login", token(request.POST["name"]), httponly=True)
    return answer


def me(request: Request) -> Response:
    return Response(user(request.environ) or "nobody")


def pid(request: Request) -> Response:
    return Response(str(os.getpid()))


with Configurator() as config:
    for name, path, view, renderer in (
        ("page", "/projects/{run}/{page}", page, None),
        ("form", "/form", form, "json"),
        ("json", "/json", json, "json"),
        ("upload", "/upload", upload, "json"),
        ("stream", "/stream", stream, None),
        ("broken", "/broken", broken, None),
        ("login", "/login", login, None),
        ("me", "/me", me, None),
        ("pid", "/pid", pid, None),
    ):
        config.add_route(name, path)
        config.add_view(view, route_name=name, renderer=renderer)
    app = config.make_wsgi_app()

if not BARE:
    app = recorder.wrap(app, settings())
