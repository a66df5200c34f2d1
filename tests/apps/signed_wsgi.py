"""Addresses that carry what opens them: an authorization code behind a redirect, and a download that is signed.

`/login` sends its caller through `/authorize` to `/callback?code=…&state=…`, which takes each code once and sets a session.
`/files` then shows a link `/file?name=a&sig=…`; another signature is refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs

codes: dict[str, str] = {}
sessions: set[str] = set()
signatures: set[str] = set()


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    place = environ["PATH_INFO"]
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    inside = any(each.strip().partition("=")[2] in sessions for each in environ.get("HTTP_COOKIE", "").split(";"))
    headers, status, text = [("Content-Type", "text/html; charset=utf-8")], "200 OK", "well"
    if place == "/login":
        status, text = "302 Found", ""
        headers.append(("Location", f"/authorize?client=a&state={secrets.token_urlsafe(12)}"))
    elif place == "/authorize":
        code = secrets.token_urlsafe(18)
        codes[code] = query["state"]
        status, text = "302 Found", ""
        headers.append(("Location", f"/callback?code={code}&state={query['state']}"))
    elif place == "/callback" and codes.pop(query.get("code", ""), None) == query.get("state", ""):
        sessions.add(session := secrets.token_urlsafe(18))
        status, text = "302 Found", ""
        headers += [("Location", "/files"), ("Set-Cookie", f"session={session}; Path=/; HttpOnly")]
    elif place == "/files" and inside:
        signatures.add(signature := secrets.token_urlsafe(24) + "7")
        text = f'<!doctype html><title>files</title><a href="/file?name=a&amp;sig={signature}">a</a>'
    elif place == "/file" and query.get("sig") in signatures:
        headers, text = [("Content-Type", "text/plain")], f"the file {query['name']}"
    elif place != "/":
        status, text = "403 Forbidden", "no"
    start_response(status, headers)
    return [text.encode()]
