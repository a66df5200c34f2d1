"""Which kind of content a Content-Type announces, as far as redaction and storing care."""

from __future__ import annotations

import codecs
import functools
import re
from typing import Literal, TypeAlias

__all__ = ["Kind", "boundary", "charset", "kind", "sniff"]

Kind: TypeAlias = Literal["json", "form", "html", "xml", "script", "text", "multipart", "binary", "unknown"]

_TEXT = frozenset({"application/yaml", "application/x-yaml", "application/toml", "application/sql"})
_FORM = "application/x-www-form-urlencoded"
_PAIRS = re.compile(r"[\w.%\[\]-]+=[^\s<>\"{}]*\Z")
_PARAMETER = re.compile(r';\s*([\w!#$&^.+-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]*))')


@functools.lru_cache(256)
def kind(media_type: str | None) -> Kind:
    """Return the kind of content; `unknown` where nothing, or nothing telling, was announced."""
    if not media_type:
        return "unknown"
    essence = media_type.partition(";")[0].strip().lower()
    if essence.endswith("json"):
        return "json" if essence in ("application/json", "text/json") or essence.endswith("+json") else "text"
    if essence == _FORM:
        return "form"
    if essence in ("text/html", "application/xhtml+xml"):
        return "html"
    if essence.endswith(("/xml", "+xml")):
        return "xml"
    if essence.endswith(("javascript", "ecmascript")):
        return "script"
    if essence == "multipart/form-data":
        return "multipart"
    if essence.startswith("text/") or essence in _TEXT or essence.endswith(("graphql", "jsonl", "+yaml")):
        return "text"
    return "unknown" if essence in ("", "application/octet-stream", "binary/octet-stream") else "binary"


@functools.lru_cache(256)
def charset(media_type: str | None) -> str | None:
    """Return the announced charset as Python knows it; None when none was announced or it is unknown."""
    name = _parameter(media_type, "charset")
    try:
        codec = codecs.lookup(name) if name else None
    except (LookupError, ValueError):
        return None
    # Python also has codecs that are not for text, such as rot13.
    return codec.name if codec is not None and getattr(codec, "_is_text_encoding", True) else None


def boundary(media_type: str | None) -> str | None:
    """Return the boundary of a multipart body (RFC 2046, 5.1.1), or None."""
    return _parameter(media_type, "boundary") or None


def sniff(beginning: bytes) -> Kind:
    """Return what content of unknown type is, by its first bytes: `json`, `form`, `html`, `xml`, `text` or `binary`."""
    if b"\0" in beginning:
        return "binary"
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(beginning).lstrip("\ufeff \t\r\n")[:2000].lower()
    except UnicodeDecodeError:
        return "binary"
    if text.startswith(("{", "[")):
        return "json"
    if text.startswith(("<!doctype html", "<html")):
        return "html"
    if _PAIRS.match(text):
        return "form"
    return "xml" if text.startswith("<?xml") else "text"


def _parameter(media_type: str | None, name: str) -> str | None:
    for found in _PARAMETER.finditer(media_type or ""):
        if found[1].lower() == name:
            return re.sub(r"\\(.)", r"\1", found[2]) if found[2] is not None else found[3]
    return None
