"""Tokens that are made anew from one payload: what is inside stays, time and signature do not."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

__all__ = ["payload", "signed_again"]

_SIGNED = re.compile(r"(.+)[.:][\w-]{6}[.:][\w-]{20,}")
"""Payload, time and signature, as itsdangerous (Flask) and Django write them; a JWT's middle part is longer."""
_DATED = re.compile(r"(\d{10}|\d{14})(\W{1,2})([0-9a-f]{32,128})")
"""A time, and a signature over it and the session: nothing else is inside (WTForms' SessionCSRF)."""
_JWT = re.compile(r"(eyJ[\w-]+)\.(eyJ[\w-]+)\.[\w-]{16,}")
_MOVING_CLAIMS = {"iat", "exp", "nbf", "auth_time", "jti"}
"""Registered claims that differ from one token to the next for the same subject (RFC 7519, 4.1)."""


def payload(token: str) -> str | None:
    """What a token signs with the time it was signed at; None for a token of another build."""
    match = _SIGNED.fullmatch(token)
    return match[1] if match else None


def signed_again(before: str, now: str) -> bool:
    """True for one payload signed at two times: a page shows it anew each second, whoever was quick saw it twice."""
    if (was := _SIGNED.fullmatch(before)) and (later := _SIGNED.fullmatch(now)):
        return was[1] == later[1]
    if (was := _DATED.fullmatch(before)) and (later := _DATED.fullmatch(now)):
        return was[1] != later[1] and (was[2], len(was[3])) == (later[2], len(later[3]))
    if (was := _JWT.fullmatch(before)) and (later := _JWT.fullmatch(now)):
        claims = _lasting(was[2])
        return was[1] == later[1] and claims is not None and claims == _lasting(later[2])
    return False


def _lasting(payload: str) -> dict[str, Any] | None:
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return None
    return {k: v for k, v in claims.items() if k not in _MOVING_CLAIMS} if isinstance(claims, dict) else None
