"""What looks like a secret whatever it is called: JWT, private key, bearer and basic credentials, the password in a URL,
what signs one, the hash of a password, and the keys that large services issue.

Texts come from whoever sends them, so no pattern may take longer than in proportion to the text: where one could begin
anew within what it has just looked at in vain, it takes that stretch along, and only its groups count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from recorder.headers import decode_base64

__all__ = ["Shape", "shapes"]

_JWT = re.compile(
    r"eyJ(?:([A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]{4,}+\.[A-Za-z0-9_-]*+(?:\.[A-Za-z0-9_-]++)*+)|[A-Za-z0-9_-]*+)"
)
_KEY = r"[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
_PEM = re.compile(
    rf"-----BEGIN {_KEY}((?:[^-]++|-(?!----))*+-----END {_KEY}|(?:[A-Za-z0-9+/=\r\n]|\\+[nr]){{32,}}+)?"  # or cut short
)
_BEARER = re.compile(r"\b[Bb]earer\s++((?=[^\s\"'<>]*\d)[A-Za-z0-9._~+/-]{16,}=*)")
_BASIC = re.compile(r"\b[Bb]asic\s++([A-Za-z0-9+/_-]{6,}={0,2})")
_USERINFO = re.compile(
    r"://[^\s/?#:@\"'<>\\]{0,200}:((?!\$[A-Z_]+@|\$\$[\w{])(?:[^\s/?#@\"'<>\\${}]|\$(?![{(])){1,500})@"
)
_SIGNED = re.compile(r"[Ss]ig(?:nature)?=((?=[A-Za-z%+/_~.-]*+\d)[A-Za-z0-9%+/_~.-]{16,2000}={0,2})")
_SIGNS = ("sig=", "nature=")
_CODE = re.compile(r"(?<![\w-])code=((?!secret-)[^\s\"'<>&#;]{8,512})")
_CODES = re.compile(r"[?&;](?:state|grant_type|code_verifier)=|^(?:state|grant_type)=")
"""What stands beside an authorization code (RFC 6749, 4.1.2 and 4.1.3), and not beside a postcode."""
_BESIDE = 1000  # characters before and after a code in which that is looked for
_ISSUED = re.compile(  # https://docs.github.com/en/code-security/secret-scanning and the like: made to be recognised
    r"(?<![A-Za-z0-9])(?:[rs]k_live_[A-Za-z0-9]{16,}|gh[oprsu]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,}"
    r"|glpat-[A-Za-z0-9_-]{20,}|xox[a-z]-[A-Za-z0-9-]{16,}|sk-(?:ant|proj)-[A-Za-z0-9_-]{20,}|npm_[A-Za-z0-9]{36,}"
    r"|pypi-AgE[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{35}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,})"
)
_ISSUERS = (
    "k_live_",
    "ghp_",
    "gho_",
    "ghs_",
    "hub_pat_",
    "glpat-",
    "xox",
    "sk-ant-",
    "sk-proj-",
    "npm_",
    "pypi-",
    "AIza",
    "SG.",
)
_HASHED = re.compile(
    r"\$(?:apr1|2[abxy]|[156y]|argon2(?:id|i|d)|scrypt)\$[A-Za-z0-9./$=,+-]{20,}"
)  # crypt(5), htpasswd
_USER = re.compile(r"[\w.@+-]*")


class Shape(NamedTuple):
    """A secret in a text: where it stands, what it is, its kind, and what is written before and after its pseudonym."""

    start: int
    end: int
    value: str
    kind: str
    before: str = ""
    after: str = ""


def shapes(text: str) -> Iterator[Shape]:
    """Yield what looks like a secret in a text."""
    last = text.rfind  # which tells whether there is any in a fraction of the time that `in` takes
    if last("eyJ") >= 0:
        for found in _JWT.finditer(text):
            if found[1]:
                yield Shape(*found.span(), found[0], "jwt")
    if last("PRIVATE KEY") >= 0:
        for found in _PEM.finditer(text):
            if found[1]:
                value = found[0].replace("\\r", "").replace("\\n", "\n").replace("\r", "")
                yield Shape(*found.span(), value, "pem")
    if last("earer") >= 0:
        for found in _BEARER.finditer(text):
            yield Shape(*found.span(1), found[1], "bearer")
    if last("asic") >= 0:
        for found in _BASIC.finditer(text):
            user, colon, password = decode_base64(found[1]).partition(":")
            if colon and password and user.isprintable() and password.isprintable():
                yield Shape(*found.span(1), password, "password", f"{user}:" if _USER.fullmatch(user) else "")
    if "@" in text and "://" in text:
        for found in _USERINFO.finditer(text):
            yield Shape(*found.span(1), unquote(found[1]), "password")
    for sign in _SIGNS:
        if last(sign) >= 0:
            for found in _SIGNED.finditer(text):
                yield Shape(*found.span(1), unquote(found[1]), "signature")
            break
    if last("code=") >= 0 and _CODES.search(text):
        for found in _CODE.finditer(text):
            start, end = found.span(1)
            if _CODES.search(text, max(0, start - _BESIDE), end + _BESIDE):
                yield Shape(start, end, unquote(found[1]), "code")
    for issuer in _ISSUERS:
        if last(issuer) >= 0:
            for found in _ISSUED.finditer(text):
                yield Shape(*found.span(), found[0], "apikey")
            break
    if "$" in text:
        for found in _HASHED.finditer(text):
            yield Shape(*found.span(), found[0], "password")
