"""The story in Django: settings, views and addresses of a project in one file; its two applications stand in
`django_wsgi` and `django_asgi`, as in a project's `wsgi.py` and `asgi.py`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

from tests.apps.frameworks.story import MISHAP, PIECES, USERS, described, token

SECRET_KEY = "only here"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = __name__
INSTALLED_APPS = ["recorder.django"]
LOGGING_CONFIG = None
USE_TZ = True


def page(request: HttpRequest, run: str, page: str) -> HttpResponse:
    return HttpResponse(f"{run}: {page}, {request.GET.getlist('q')}")


def form(request: HttpRequest) -> HttpResponse:
    return JsonResponse(dict(request.POST.lists()))


def json(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body, content_type="application/json")


def upload(request: HttpRequest) -> HttpResponse:
    file = request.FILES["file"]
    return JsonResponse(described(file.name or "", b"".join(file.chunks())))


def stream(request: HttpRequest) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in PIECES:
            yield piece

    under_asgi = hasattr(request, "scope")
    return StreamingHttpResponse(pieces() if under_asgi else iter(PIECES), content_type="text/plain; charset=utf-8")


def broken(request: HttpRequest) -> HttpResponse:
    raise ValueError(MISHAP)


def login(request: HttpRequest) -> HttpResponse:
    answer = HttpResponse("welcome", content_type="text/plain")
    answer.set_cookie("login", token(request.POST["name"]), httponly=True)
    return answer


def me(request: HttpRequest) -> HttpResponse:
    return HttpResponse(USERS.get(request.COOKIES.get("login", ""), "nobody"))


def pid(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(os.getpid()))


urlpatterns = [path("projects/<run>/<page>", page)]
urlpatterns += [path(view.__name__, view) for view in (form, json, upload, stream, broken, login, me, pid)]
