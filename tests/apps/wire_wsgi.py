"""`wire_core` as a WSGI application. Of headers that came several times WSGI shows one, with commas (PEP 3333)."""

from __future__ import annotations

import http
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from tests.apps.wire_core import Asked, answer


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ.get("RAW_URI") or quote(environ["PATH_INFO"].encode("latin-1"), safe="/;=")
    names = {key: key.removeprefix("HTTP_").replace("_", "-").lower() for key in environ if key.startswith("HTTP_")}
    headers = [(name, environ[key]) for key, name in names.items()]
    headers += [(key.replace("_", "-").lower(), environ[key]) for key in ("CONTENT_TYPE",) if environ.get(key)]
    status, given, pieces = answer(Asked(environ["REQUEST_METHOD"], path, headers, environ["wsgi.input"].read()))
    start_response(f"{status} {http.HTTPStatus(status).phrase}", given)
    return pieces
