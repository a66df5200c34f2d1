"""Who may use the playback service: it runs requests and jobs, so the answer is nobody by default.

With PROFILE_PLAYBACK_TOKEN set, whoever sends it (as a bearer, or as the password a browser asks for). Without it, only
programs on this machine that name it by a loopback address: a page that reaches us by a rebound DNS name does not.
A browser's request to change something must come from our own pages, whatever it carries, and no browser may guess
what an answer is.

With PROFILE_PLAYBACK_VIEW_TOKEN there is a second role: who sends that one may look, and change nothing. The pages sign a
browser in with either (`issue`): its cookie names the role and the time, and is signed with the token, so that another
token ends it.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import logging
import time
from collections.abc import Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from playback.logbook import PLAYBACK
from playback.problems import problem
from playback.summary import visible
from playback.whole_numbers import BadSetting

__all__ = ["COOKIE", "OPERATOR", "VIEWER", "Access", "is_loopback", "issue", "role", "role_of", "tokens"]

OPEN = "/health"
LOGIN = "/ui/login"
EVERYBODY = (LOGIN, "/ui/logout", "/ui/theme")
"""Where whoever may not act, or not even look, may post to."""
STATIC = "/ui/static/"
SAFE = ("GET", "HEAD", "OPTIONS")
OPERATOR, VIEWER = "operator", "viewer"
TOKENS = {OPERATOR: "PROFILE_PLAYBACK_TOKEN", VIEWER: "PROFILE_PLAYBACK_VIEW_TOKEN"}
COOKIE = "profile_playback"
LASTS = 12 * 3600  # seconds that somebody is signed in
CHALLENGE = 'Bearer realm="profile_playback", Basic realm="profile_playback"'


_log = logging.getLogger(PLAYBACK)


def tokens(environ: Mapping[str, str]) -> dict[str, str]:
    """The token of each role that has one. Raises BadSetting where one may look with a token, and act without."""
    found = {name: token for name, variable in TOKENS.items() if (token := environ.get(variable))}
    if VIEWER in found and found.get(OPERATOR, found[VIEWER]) == found[VIEWER]:
        raise BadSetting(f"{TOKENS[VIEWER]} needs {TOKENS[OPERATOR]} beside it, with another value: set both.")
    return found


def role_of(offered: bytes, known: Mapping[str, str]) -> str | None:
    """The role of whoever offers this token."""
    found = [name for name, token in known.items() if hmac.compare_digest(offered, token.encode())]
    return found[0] if found else None


def issue(name: str, token: str, now: float | None = None) -> str:
    """The cookie of a browser that has shown the token of the role `name`."""
    begun = f"{name}.{int(time.time() if now is None else now)}"
    return f"{begun}.{_signature(begun, token)}"


def role(scope: MutableMapping[str, Any]) -> str:
    """The role in which a request that was let in is made."""
    return str(scope.get("state", {}).get("role", VIEWER))


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or address, with or without brackets) is this machine by its own word."""
    host = host.strip("[]").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


class Access:
    """ASGI middleware that answers 401 or 403, with a sentence, to whoever may not pass."""

    def __init__(self, app: ASGIApp, tokens: Mapping[str, str]) -> None:
        self.app = app
        self.tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), (b"x-content-type-options", b"nosniff")]
                if scope["method"] not in SAFE:
                    who = scope.get("client") or ("unknown",)
                    _log.info(
                        "[asked] %s at %s: %s %s: %s",
                        role(scope), who[0], scope["method"], visible(scope["path"]), message["status"],
                    )  # fmt: skip
            await send(message)

        if scope["path"] != OPEN and (refusal := self._refusal(scope)):
            status, sentence = refusal
            if status == 401 and _is_page(scope):
                to = quote(
                    scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
                )
                await RedirectResponse(f"{scope.get('root_path', '')}{LOGIN}?next={to}", 303)(scope, receive, sent)
                return
            headers = {"WWW-Authenticate": CHALLENGE} if status == 401 else {}
            await problem(status, sentence, headers)(scope, receive, sent)
            return
        await self.app(scope, receive, sent)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if sum(name == b"host" for name, _ in scope["headers"]) > 1:
            return 403, "Send one Host header: which of several is meant cannot be told."
        path, named = scope["path"], OPERATOR
        if not self.tokens:
            client = scope.get("client")
            if client is not None and not is_loopback(client[0]):
                return 403, "Without PROFILE_PLAYBACK_TOKEN this service answers programs on its own machine only."
            if not is_loopback(_hostname(host)):
                return (
                    403,
                    f"The Host header {host!r} is not this machine; use 127.0.0.1 or set PROFILE_PLAYBACK_TOKEN.",
                )
        else:
            found = role_of(_offered(headers.get("authorization", "")), self.tokens)
            found = found or _signed_in(headers.get("cookie", ""), self.tokens)
            if found is None and path not in EVERYBODY and not path.startswith(STATIC):
                return 401, "Send the value of PROFILE_PLAYBACK_TOKEN as 'Authorization: Bearer …'."
            named = found or VIEWER
        scope.setdefault("state", {})["role"] = named
        if scope["method"] in SAFE:
            return None
        if named != OPERATOR and path not in EVERYBODY:
            return 403, "With this token one may look, and change nothing; send the value of PROFILE_PLAYBACK_TOKEN."
        # Fetch Metadata (W3C): what a browser says of a request, and no page can change.
        site = headers.get("sec-fetch-site", "none")
        if site not in ("same-origin", "none"):
            return 403, f"A page of another origin ({site}) may not start or end anything here."
        origin = headers.get("origin")
        if origin is not None and _authority(origin) != host:
            return 403, f"A page of {origin!r} may not start or end anything here."
        return None


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_page(scope: Scope) -> bool:
    """Whether a person looks at the answer: a browser asks for HTML, and has offered nothing yet."""
    headers = dict(scope["headers"])
    return scope["method"] == "GET" and b"text/html" in headers.get(b"accept", b"") and b"authorization" not in headers


def _signature(begun: str, token: str) -> str:
    return hmac.digest(token.encode(), f"signed in: {begun}".encode(), "sha256").hex()


def _signed_in(cookies: str, known: Mapping[str, str]) -> str | None:
    """The role that the cookie of `issue` names, while it is true and not too old."""
    try:
        cookie = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return None
    name, _, rest = (cookie.value if cookie else "").partition(".")
    begun, _, signature = rest.partition(".")
    if name not in known or not begun.isascii() or not begun.isdecimal() or len(begun) > 12:
        return None
    fresh = 0 <= time.time() - int(begun) + 60 <= LASTS + 60
    true = hmac.compare_digest(signature.encode(), _signature(f"{name}.{begun}", known[name]).encode())
    return name if fresh and true else None


def _authority(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _offered(authorization: str) -> bytes:
    """The token in an Authorization header: a bearer, or the password of Basic (RFC 7617) with any user."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip().encode("latin-1")  # as they came
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
        except ValueError:  # binascii.Error is one; a character outside ASCII another
            return b""
    return b""
