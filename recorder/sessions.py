"""Who asks: an event's `session`, as far as a request's headers and the server say."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from contextlib import suppress

from recorder.events import Session
from recorder.pseudonyms import Pseudonyms
from recorder.settings import Native, Settings

__all__ = ["session_of"]

_PAGE = re.compile(r"(viewport|theme)=([\w.-]{1,40})")  # X-Recorder-Request: <id>; viewport=1280x720; theme=dark
_COOKIE = re.compile(r"(?:^|;)\s*recorder_session=\"?([\w.-]{1,128})")

_NOTHING: Mapping[str, str] = {}


def session_of(headers: Mapping[str, str], native: Native, settings: Settings, pseudonyms: Pseudonyms) -> Session:
    """Return the session of a request; `headers` by name in lower case. The user is a keyed hash."""
    announced, cookie = headers.get("x-recorder-request"), headers.get("cookie", "")
    page = dict(_PAGE.findall(announced)) if announced is not None else _NOTHING
    own = _COOKIE.search(cookie) if "recorder_session" in cookie else None
    user = settings.user(native) if settings.user is not None else _user(headers, native)
    return {
        "recorder_session": own[1] if own is not None else None,
        "user": pseudonyms.digest(str(user)) if user is not None and user != "" else None,
        "browser": headers.get("user-agent"),
        "viewport": page.get("viewport"),
        "theme": page.get("theme"),
    }


def _user(headers: Mapping[str, str], native: Native) -> str | None:
    """Who the server or Basic authentication says it is."""
    remote = native.get("REMOTE_USER")
    if isinstance(remote, str) and remote:
        return remote
    if "authorization" not in headers:
        return None
    scheme, _, blob = headers["authorization"].partition(" ")
    if scheme.lower() == "basic":
        with suppress(ValueError):
            return base64.b64decode(blob).partition(b":")[0].decode("utf-8", "replace") or None
    return None
