"""Who may use the playback service: it runs requests and jobs, so the answer is nobody by default.

With PROFILE_PLAYBACK_TOKEN set, whoever sends it (as a bearer, or as the password a browser asks for). Without it, only
programs on this machine that name it by a loopback address: a page that reaches us by a rebound DNS name does not.
A browser's request to change something must come from our own pages, whatever it carries, and no browser may guess
what an answer is.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from playback.problems import problem

__all__ = ["Access", "is_loopback"]

OPEN = "/health"
SAFE = ("GET", "HEAD", "OPTIONS")
CHALLENGE = 'Bearer realm="profile_playback", Basic realm="profile_playback"'


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

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self.app = app
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), (b"x-content-type-options", b"nosniff")]
            await send(message)

        if scope["path"] != OPEN and (refusal := self._refusal(scope)):
            status, sentence = refusal
            headers = {"WWW-Authenticate": CHALLENGE} if status == 401 else {}
            await problem(status, sentence, headers)(scope, receive, sent)
            return
        await self.app(scope, receive, sent)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if sum(name == b"host" for name, _ in scope["headers"]) > 1:
            return 403, "Send one Host header: which of several is meant cannot be told."
        if self.token is None:
            client = scope.get("client")
            if client is not None and not is_loopback(client[0]):
                return 403, "Without PROFILE_PLAYBACK_TOKEN this service answers programs on its own machine only."
            if not is_loopback(_hostname(host)):
                return (
                    403,
                    f"The Host header {host!r} is not this machine; use 127.0.0.1 or set PROFILE_PLAYBACK_TOKEN.",
                )
        elif not hmac.compare_digest(_offered(headers.get("authorization", "")), self.token.encode()):
            return 401, "Send the value of PROFILE_PLAYBACK_TOKEN as 'Authorization: Bearer …'."
        if scope["method"] in SAFE:
            return None
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
