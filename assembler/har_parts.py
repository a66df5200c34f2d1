"""The parts of a HAR's messages: header fields, cookies, texts, and multipart bodies put together again."""

from __future__ import annotations

import base64 as base64_
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from assembler.cookies import parse_cookie
from recorder import media

__all__ = ["cookies_of", "fields", "multipart", "set_cookies_of", "texted"]

Headers = Sequence[tuple[str, str]]


def fields(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Names and values as HAR writes them, for header fields and queries alike."""
    return [{"name": name, "value": value} for name, value in pairs]


def cookies_of(headers: Headers) -> list[dict[str, str]]:
    """The cookies that a request sent."""
    return fields(pair for name, value in headers if name == "cookie" for pair in parse_cookie(value))


def set_cookies_of(headers: Headers) -> list[dict[str, Any]]:
    """The cookies that an answer set (RFC 6265, 4.1), with the attributes that HAR has keys for."""
    return [_cookie(value) for name, value in headers if name == "set-cookie"]


def _cookie(header: str) -> dict[str, Any]:
    pair, *rest = header.split(";")
    name, _, value = pair.partition("=")
    attributes = {key.strip().lower(): word.strip() for key, _, word in (part.partition("=") for part in rest)}
    cookie: dict[str, Any] = {"name": name.strip(), "value": value.strip()}
    cookie.update({key: attributes[key] for key in ("path", "domain") if attributes.get(key)})
    try:
        moment = parsedate_to_datetime(attributes.get("expires", ""))
        cookie["expires"] = moment.replace(tzinfo=moment.tzinfo or UTC).isoformat()
    except (TypeError, ValueError):
        pass  # a session cookie, or a date that is none
    return {**cookie, "httpOnly": "httponly" in attributes, "secure": "secure" in attributes}


def texted(content: bytes, *, base64: bool = False) -> dict[str, str]:
    """The keys that hold a content: `text`; what is no text in base64, or (HAR has no base64 there) a character a byte."""
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        if base64:
            return {"text": base64_.b64encode(content).decode(), "encoding": "base64"}
        return {"text": content.decode("latin-1"), "comment": "bytes, each written as one character (ISO 8859-1)"}


def multipart(
    media_type: str, parts: Sequence[Mapping[str, Any]], stored: Callable[[Mapping[str, Any]], bytes | None]
) -> tuple[bytes | None, list[str]]:
    """A multipart body (RFC 7578) of its recorded parts, and the names of files whose content `stored` does not have."""
    boundary = media.boundary(media_type)
    if boundary is None:
        return None, []
    missing: list[str] = []
    pieces: list[bytes] = []
    for part in parts:
        content = stored(part)
        if content is None:
            missing.append(str(part.get("filename") or part.get("name")))
        head = "".join(f"{name.title()}: {value}\r\n" for name, value in part["headers"])
        pieces.append(f"--{boundary}\r\n{head}\r\n".encode() + (content or b"") + b"\r\n")
    return b"".join([*pieces, f"--{boundary}--\r\n".encode()]), missing
