"""A small application for a real browser, on ASGI and on WSGI: pages, a form, answers that tell what was sent.

What it is asked at 127.0.0.1 and what at localhost are two origins of one server.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterable
from html import escape
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from recorder import wrap

BODY = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"></head>
<body><main><h1>{title}</h1><p id="text">Some text.</p><a href="/second">second</a>
<form method="post" action="/save"><label>Name <input name="name" value="Ada Lovelace"></label>
<label>Password <input name="password" type="password" value="correct horse"></label><button>Save</button></form>
{more}</main></body></html>"""
POLICIES = {
    "strict": "default-src 'none'; img-src data:; script-src 'self'; connect-src 'self'; form-action 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "nonce": "default-src 'none'; img-src data:; script-src 'nonce-r4nd0m' 'strict-dynamic'; connect-src 'self'",
    "forbidden": "default-src 'self'; img-src data:; script-src 'none'",
}
UNKIND = """<style>* { font: italic 40px Georgia !important; color: lime !important; letter-spacing: 9px !important }
profile-recorder, section, div, button, span { display: none !important; visibility: hidden !important }</style>"""


def page(title: str = "A page", more: str = "", **headers: str) -> HTMLResponse:
    return HTMLResponse(BODY.format(title=escape(title), more=more), headers=headers)


async def home(request: Request) -> Response:
    return page()


async def second(request: Request) -> Response:
    return page("Second")


async def plain(request: Request) -> Response:
    """A page that nobody may change."""
    return page(**{"cache-control": "no-transform"})


async def unkind(request: Request) -> Response:
    return HTMLResponse(BODY.format(title="Unkind", more="").replace("</head>", f"{UNKIND}</head>"))


async def policy(request: Request) -> Response:
    return page("Policy", **{"content-security-policy": POLICIES[request.path_params["name"]]})


async def save(request: Request) -> Response:
    await request.body()
    return RedirectResponse("/second", 303)


async def echo(request: Request) -> Response:
    """What was sent, and what a page of another origin may know of it."""
    if request.method == "OPTIONS":  # a browser that asks beforehand is told what it asked
        ASKED.append(request.headers.get("access-control-request-headers", ""))
        return Response(headers={"access-control-allow-origin": "*"})
    body = await request.body()
    names = ("content-type", "x-own", "x-recorder-request", "referer", "origin")
    told = {
        "method": request.method,
        "query": request.url.query,
        "headers": {name: request.headers[name] for name in names if name in request.headers},
        "body": body.decode("latin-1"),
        "preflights": ASKED.copy(),
    }
    return JSONResponse(told, int(request.query_params.get("status", 200)), {"access-control-allow-origin": "*"})


ASKED: list[str] = []


async def slow(request: Request) -> Response:
    await asyncio.sleep(60)
    return JSONResponse({})


async def pieces(request: Request) -> Response:
    async def come() -> Any:
        for number in range(3):
            yield f"{number} ".encode()

    return StreamingResponse(come(), media_type="text/plain")


async def elsewhere(request: Request) -> Response:
    """To the same server by its other name."""
    port = request.url.port
    return RedirectResponse(f"http://localhost:{port}/echo?left=1", 302)


asgi = wrap(
    Starlette(
        routes=[
            Route("/", home),
            Route("/second", second),
            Route("/plain", plain),
            Route("/unkind", unkind),
            Route("/policy/{name}", policy),
            Route("/save", save, methods=["POST"]),
            Route("/echo", echo, methods=["GET", "POST", "PUT", "OPTIONS"]),
            Route("/slow", slow),
            Route("/pieces", pieces),
            Route("/elsewhere", elsewhere),
            Route("/runs/{run}/page", home),
        ]
    )
)


def _plain_wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if path == "/save":
        start_response("303 See Other", [("Location", "/second"), ("Content-Length", "0")])
        return [b""]
    if path == "/echo":
        body = json.dumps({"pid": os.getpid()}).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]
    body = BODY.format(title="Second" if path == "/second" else "A page", more="").encode()
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]


wsgi = wrap(_plain_wsgi)
