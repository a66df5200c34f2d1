"""Style and scripts of the pages, out of the package: their digest is in their address, and they may be kept for a year."""

from __future__ import annotations

import functools
import hashlib
from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.responses import Response

from playback.problems import problem

__all__ = ["PREFIX", "address", "routes"]

PREFIX = "/ui/static/"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_LONG = "public, max-age=31536000, immutable"


@functools.cache
def _contents() -> dict[str, bytes]:
    """The files of `static/` by name; there are no folders."""
    return {file.name: file.read_bytes() for file in files("playback.web").joinpath("static").iterdir()}


@functools.cache
def _digest() -> str:
    """One for all of them: a module imports another by its name alone, and must get the one that the page has."""
    whole = hashlib.sha256()
    for name, content in sorted(_contents().items()):
        whole.update(name.encode() + b"\0" + content)
    return whole.hexdigest()[:16]


def address(name: str) -> str:
    """Where the asset is, in the version that this service has. Raises LookupError for one that is not there."""
    if name not in _contents():
        raise LookupError(f"playback/web/static holds no {name}")
    return f"{PREFIX}{_digest()}/{name}"


def routes() -> APIRouter:
    """The addresses of the assets."""
    router = APIRouter()

    @router.get(PREFIX + "{digest}/{name}")
    async def asset(digest: str, name: str, request: Request) -> Response:
        content = _contents().get(name)
        if content is None:
            return problem(404, f"There is no asset {name!r}.")
        tag = f'"{_digest()}"'
        # A page of an earlier version of the service asks for what is gone: it gets what there is, and keeps none of it.
        kept = _LONG if digest == _digest() else "no-cache"
        headers = {"ETag": tag, "Cache-Control": kept, "Cross-Origin-Resource-Policy": "same-origin"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=_TYPES["." + name.rpartition(".")[2]])

    return router
