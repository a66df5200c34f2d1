"""The recorder's own HTTP API: who may call what. What the calls answer is in `recorder.endpoints`.

Free of any framework: the middlewares hand over a `Request` and send what `respond` returns. Answers are JSON, carry
`X-Recorder: 1`, and an error is `{"error": "<a sentence>"}`.

A call that changes something needs the bearer `RECORDER_TOKEN`; or it comes from a page of the same origin with
`X-Recorder-CSRF`, which `GET status` tells and ties to the `recorder_session` cookie by an HMAC.
"""

from __future__ import annotations

import difflib
import functools
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson

from recorder import endpoints, reviewing, script
from recorder.core import MAX_API_BODY, Recorder, Request, Response
from recorder.endpoints import Answer, Call, Refusal, split

__all__ = ["ROLES", "respond"]

ROLES = frozenset({"capture", "audit", "export"})
SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Route:
    """A call of the API, and the roles of which one is needed for it (none: everyone may call it)."""

    method: str
    path: str
    roles: frozenset[str]
    endpoint: Callable[[Call], Answer]

    def match(self, path: str) -> dict[str, str] | None:
        """Return the variable parts of a path that fits, else None."""
        found = _pattern(self.path).fullmatch(path)
        return found.groupdict() if found else None


@functools.cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))


EVERYONE: frozenset[str] = frozenset()
ANY = ROLES
CAPTURE, AUDIT, EXPORT = (frozenset({role}) for role in ("capture", "audit", "export"))
ROUTES = (
    Route("GET", "/status", EVERYONE, endpoints.status),
    Route("POST", "/captures/start", CAPTURE, endpoints.start),
    Route("POST", "/captures/end", CAPTURE, endpoints.end),
    Route("POST", "/captures/pause", CAPTURE, endpoints.pause),
    Route("POST", "/captures/resume", CAPTURE, endpoints.resume),
    Route("POST", "/captures/discard", CAPTURE, endpoints.discard),
    Route("GET", "/captures", CAPTURE | AUDIT, endpoints.captures),
    Route("GET", "/captures/{capture_id}/preview", CAPTURE, reviewing.preview),
    Route("POST", "/captures/{capture_id}/redact", CAPTURE, reviewing.redact),
    Route("POST", "/captures/{capture_id}/drop", CAPTURE, reviewing.drop),
    Route("POST", "/captures/{capture_id}/commit", CAPTURE, reviewing.commit),
    Route("POST", "/events", ANY, endpoints.report),
    Route("GET", "/events", AUDIT, endpoints.events),
    Route("GET", "/jobs/{job_id}", CAPTURE | AUDIT, endpoints.job),
    Route("GET", "/workers", CAPTURE | AUDIT, endpoints.workers),
    Route("GET", "/drafts/{slug}/export", EXPORT, endpoints.export),
    Route("GET", "/recorder.js", EVERYONE, script.script),
)


def respond(recorder: Recorder, request: Request) -> Response:
    """Answer one call. Never raises: a fault of ours is logged, counted, and told as 500."""
    try:
        answer = _answer(recorder, request)
    except Refusal as refusal:
        answer = Answer(refusal.status, {"error": str(refusal)}, refusal.headers)
    except Exception as error:
        recorder.fault(f"{request.method} {request.path}", error)
        answer = Answer(500, {"error": "The recorder failed; the log of the application says why."})
    headers = [("X-Recorder", "1"), *answer.headers]
    if not any(name == "Cache-Control" for name, _ in headers):
        headers.append(("Cache-Control", "no-store"))
    if isinstance(answer.body, bytes):
        body = answer.body
    else:
        body = orjson.dumps(answer.body) + b"\n"
        headers.append(("Content-Type", "application/json"))
    if answer.status != 304:
        headers.append(("Content-Length", str(len(body))))
    return answer.status, headers, b"" if request.method == "HEAD" else body


def _answer(recorder: Recorder, request: Request) -> Answer:
    route, parts = _route(request)
    if len(request.body) > MAX_API_BODY:
        raise Refusal(413, f"A call may bring {MAX_API_BODY >> 10} KiB; this one brings more.")
    session = recorder.session(dict(request.headers), request.native)["recorder_session"]
    token = _has_token(recorder, request)
    roles = ROLES if token else _roles(recorder, request)
    if route.roles and not route.roles & roles:
        names = " or ".join(sorted(route.roles))
        raise Refusal(403, f"This needs the role {names}: sign in, or send RECORDER_TOKEN as a bearer token.")
    if route.method not in SAFE and not token:
        _check_page(recorder, request, session)
    new_session = None
    if session is None and roles and not token and route.path == "/status":
        session = new_session = secrets.token_urlsafe(16)
    call = Call(recorder, request, roles, session, parts, _parameters(request), _csrf(recorder, session))
    answer = route.endpoint(call)
    if new_session is not None:
        answer.headers.append(("Set-Cookie", _cookie(request, new_session)))
    return answer


def _route(request: Request) -> tuple[Route, dict[str, str]]:
    fitting = [(route, parts) for route in ROUTES if (parts := route.match(request.path)) is not None]
    method = "GET" if request.method == "HEAD" else request.method
    for route, parts in fitting:
        if route.method == method:
            return route, parts
    if not fitting:
        near = difflib.get_close_matches(request.path, [route.path for route in ROUTES], n=1, cutoff=0.0)
        raise Refusal(404, f"There is no {request.path} here; the nearest is {near[0]}.")
    allowed = ", ".join(route.method for route, _ in fitting)
    raise Refusal(405, f"{request.path} takes {allowed}, not {request.method}.", [("Allow", allowed)])


def _has_token(recorder: Recorder, request: Request) -> bool:
    scheme, _, value = (request.header("authorization") or "").partition(" ")
    token = recorder.settings.token
    return (
        bool(token) and scheme.lower() == "bearer" and hmac.compare_digest(value.strip().encode(), str(token).encode())
    )


def _roles(recorder: Recorder, request: Request) -> frozenset[str]:
    settings = recorder.settings
    if settings.roles is None:
        return ROLES if settings.environment == "development" else frozenset()
    try:
        return ROLES & frozenset(settings.roles(request.native))
    except Exception as error:  # the host's own callable: who it cannot name has no role
        recorder.fault("Settings.roles", error)
        return frozenset()


def _check_page(recorder: Recorder, request: Request, session: str | None) -> None:
    """Raise Refusal unless a page of this origin, which has read GET status, is calling."""
    site = request.header("sec-fetch-site")
    source = split(request.header("origin") or request.header("referer")).netloc
    if not (site == "same-origin" if site else source and source.lower() == (request.header("host") or "").lower()):
        raise Refusal(
            403, "This call must come from a page of the same origin, or bring RECORDER_TOKEN as a bearer token."
        )
    given = request.header("x-recorder-csrf") or ""
    expected = _csrf(recorder, session)
    if expected is None or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Refusal(
            403, "X-Recorder-CSRF is missing or stale; take `csrf` from GET status, with its cookie, and send that."
        )


def _csrf(recorder: Recorder, session: str | None) -> str | None:
    return None if session is None else recorder.pseudonyms.digest(f"X-Recorder-CSRF of {session}")


def _cookie(request: Request, session: str) -> str:
    secure = request.scheme == "https" or request.header("x-forwarded-proto") == "https"
    return f"recorder_session={session}; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")


def _parameters(request: Request) -> dict[str, Any]:
    """The query of a safe call, the JSON object in the body of another. Raises Refusal when there is none."""
    if request.method in SAFE:
        return dict(parse_qsl(request.query))
    try:
        body = orjson.loads(request.body or b"{}")
    except ValueError as error:
        raise Refusal(400, f"The body is not JSON: {error}.") from None
    if isinstance(body, list):
        body = {"events": body}
    if not isinstance(body, dict):
        raise Refusal(400, "The body must be a JSON object.")
    return body
