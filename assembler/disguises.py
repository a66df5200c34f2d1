"""What a text says when it is read as a page, a script, an address, a form or base64: the values that may stand in it.

A secret is known by its pseudonym alone, so every stretch that may be a value has to be tried: as it stands, and as
whoever reads it would take it, with `%2B`, `&#43;` and `\\u002b` undone, one inside the other, and base64 opened.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

__all__ = ["SHORTEST", "values"]

SHORTEST, _LONGEST = 12, 1024  # characters of a value that is worth trying; shorter ones occur by chance
_DEEP = 4
"""How many readings one inside the other are tried: JSON in an attribute in JSON has three."""
_WORD = re.compile(rf"[A-Za-z0-9_.~+/=%!:$*-]{{{SHORTEST},{_LONGEST}}}")
_VALUE = re.compile(r"\S+(?:[ \t]\S+){0,4}")  # prose is none
_JOINT = re.compile(r"[/=:!]")
_TAGS = re.compile(r"[<>]")
_FIELD = re.compile(rf"(?<=[=?&])([^&#\s\"'<>]{{{SHORTEST},{_LONGEST}}})")
_ESCAPED = re.compile(r"&[#\w]|%[0-9A-Fa-f]{2}|\\|\+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_SCRIPT_ESCAPE = re.compile(r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|(.))", re.S)
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def values(text: str) -> set[str]:
    """Every stretch of `text` that may be a value sent elsewhere, in every reading."""
    found: set[str] = set()
    _take(text, found, set(), _DEEP)
    return found


def _take(text: str, found: set[str], seen: set[str], depth: int) -> None:
    seen.add(text)
    fresh = _words(text) - found
    for part in set(_parts(text)) - found:
        if SHORTEST <= len(part) <= _LONGEST and _VALUE.fullmatch(part):
            fresh.add(part)
        elif len(part) > _LONGEST and depth and _ESCAPED.search(part):
            _take_read(part, found, seen, depth)
    fresh -= found
    found |= fresh
    if depth:
        for value in fresh:
            if _ESCAPED.search(value):
                _take_read(value, found, seen, depth)
        for opened in _opened(text):
            if opened not in seen:
                _take(opened, found, seen, depth - 1)


def _words(text: str) -> set[str]:
    found = set(_WORD.findall(text))
    for raw in [*found]:
        stripped = raw.strip(".:;,=!")
        if len(stripped) >= SHORTEST:
            found.add(stripped)
        if _JOINT.search(raw):
            cuts = (*_JOINT.split(raw), raw.partition("=")[2], raw.partition(":")[2])
            found.update(cut for cut in cuts if len(cut) >= SHORTEST)
    return found


def _parts(text: str) -> Iterator[str]:
    """The whole, and what stands between two quotes, between the brackets of tags, in the fields of an address or a form."""
    if len(text) <= _LONGEST:
        yield text
    yield from _TAGS.split(text)
    for mark in filter(text.__contains__, "\"'`"):
        whole = ""
        for part in text.split(mark):
            yield part
            if part.endswith("\\"):  # behind a backslash a quote is none
                whole += part + mark
            elif whole:
                yield whole + part
                whole = ""
    yield from _FIELD.findall(text)


def _take_read(text: str, found: set[str], seen: set[str], depth: int) -> None:
    """Take what `text` says as a page, an address, a form or a script would read it."""
    for read in _read(text):
        if read not in seen:
            _take(read, found, seen, depth - 1)


def _read(text: str) -> Iterator[str]:
    if "&" in text:
        yield html.unescape(text)
    if "%" in text:
        yield unquote(text)
    if "+" in text and "<" not in text:  # in a form it is a space, in a page hardly
        yield unquote_plus(text)
    if "\\" in text:
        yield _SCRIPT_ESCAPE.sub(_unescaped, text)


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code is None:
        return _CONTROLS.get(match[4], match[4])
    number = int(code, 16)
    return chr(number) if number < 0x110000 else match[0]


def _opened(text: str) -> Iterator[str]:
    """What stands in base64, where that is text."""
    for match in _BASE64.finditer(text):
        whole = match.group()
        for blob in (whole, *whole.split("/")) if "/" in whole else (whole,):  # between the slashes of an address
            if blob.islower() or blob.isupper():
                continue  # a word: three bytes of text need both cases, more or less
            bare = blob.rstrip("=").translate(str.maketrans("-_", "+/"))
            try:
                opened = base64.b64decode(bare + "=" * (-len(bare) % 4)).decode()
            except (binascii.Error, UnicodeDecodeError):
                continue
            if len(opened) >= SHORTEST and "".join(opened.split()).isprintable():
                yield opened
                yield opened.partition(":")[2]  # behind a user's name
