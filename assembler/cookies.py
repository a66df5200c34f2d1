"""A cookie jar for one client, anchored to the origin that the client sees (RFC 6265 by way of `http.cookiejar`).

The assembler uses it to tell which cookies a recorded browser owed to the application; playback, to send them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from email.message import Message
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from urllib.request import Request

__all__ = ["SESSION_NAME", "Jar", "parse_cookie", "set_cookie_name"]

SESSION_NAME = re.compile(r"sess|sid|auth|token|csrf|xsrf|login|jwt|remember", re.IGNORECASE)
"""Names of cookies that say who somebody is; they are never guessed."""


class _Answer:
    """The part of a response that `http.cookiejar` looks at."""

    def __init__(self, set_cookies: Iterable[str]) -> None:
        self._message = Message()
        for value in set_cookies:
            self._message["Set-Cookie"] = value

    def info(self) -> Message:
        return self._message


class Jar:
    """Cookies as a browser would keep them for one site."""

    def __init__(self) -> None:
        self._jar = CookieJar(DefaultCookiePolicy(rfc2965=False))

    def receive(self, url: str, set_cookies: Iterable[str]) -> None:
        """Take the `Set-Cookie` headers of an answer from `url`."""
        if set_cookies and (request := _request(url)) is not None:
            self._jar.extract_cookies(_Answer(set_cookies), request)  # type: ignore[arg-type]

    def cookies(self, url: str) -> dict[str, str]:
        """Name to value of what would be sent to `url`, in order."""
        return dict(self.pairs(url))

    def pairs(self, url: str) -> list[tuple[str, str]]:
        """The same as it is sent: a name may come twice, for a longer path and for a shorter one (RFC 6265, 5.4)."""
        if not self or (request := _request(url)) is None:
            return []
        self._jar.add_cookie_header(request)
        return parse_cookie(request.get_header("Cookie") or "")

    def put(self, name: str, value: str, host: str, *, path: str = "/", secure: bool = False) -> None:
        """Place a cookie that no answer set: one given by hand or made by a page's script."""
        domain = host if "." in host or ":" in host else f"{host}.local"
        self._jar.set_cookie(
            Cookie(
                0, name, value, None, False, domain, False, False, path, True, secure, None, True, None, None, {}, False
            )
        )

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Name and value of everything that is kept, wherever it would be sent."""
        return ((cookie.name, cookie.value or "") for cookie in self._jar)

    def __bool__(self) -> bool:
        return len(self._jar) > 0


def _request(url: str) -> Request | None:
    """A request to `url`; None where that is no address, as clients may call the host by any name they like."""
    try:
        return Request(url)
    except ValueError:
        return None


def parse_cookie(header: str) -> list[tuple[str, str]]:
    """The name-value pairs of a `Cookie` header, in order; quotes kept, as they are part of the value."""
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return [(name.strip(), value.strip()) for name, _, value in pairs if name.strip()]


def set_cookie_name(header: str) -> str:
    """The name in a `Set-Cookie` header."""
    return header.partition("=")[0].strip()
