"""The bytes behind a HAR's texts: what a request sent, what an answer held, and what of it the file does not have.

Browsers write the text of a request's body as they have it. Chromium leaves out the contents of files, Playwright and
Firefox write bytes that are no text as if they were; whether all is there is told by the request's Content-Length.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import get_args
from urllib.parse import urlencode

from assembler.har import Entry, Node
from recorder import media
from recorder.bodies import Omission
from recorder.multipart import Parser, PartHeaders, disposition

__all__ = ["Content", "answer_content", "request_content"]

_LOST = "\ufffd".encode()
"""What stands where bytes were that are no text."""
_STREAM_HEADERS = re.compile(r"(?:Content-(?:Type|Length):[^\r\n]*\r\n)+\r\n", re.IGNORECASE)
"""Firefox begins a body with the header lines of its upload stream."""
_FORM = "application/x-www-form-urlencoded"
_BOUNDARY = "----boundary-of-imported-parameters"
_NAME = re.compile(r"\w[\w.-]{0,200}")
_CUT = 1 << 20
"""Bytes after which Firefox cuts the content of an answer (devtools.netmonitor.responseBodyLimit)."""
_BODILESS = (204, 205, 304)


@dataclass(frozen=True)
class Content:
    """The body of one message. `content` is None where it was sent and the file does not have it; `size` in bytes."""

    content: bytes | None = b""
    size: int = 0
    media_type: str | None = None
    absent: frozenset[int] = frozenset()
    """Of a multipart body: which of its files, counted from 0, have no content in the HAR."""
    reason: Omission = "unavailable"
    """Why there is no content, where the HAR is one of ours and says so."""


def request_content(entry: Entry) -> Content:
    """What the request sent. Raises `NotHar` for base64 that is none."""
    header = dict(entry.sent).get("content-type")
    length = _length(dict(entry.sent).get("content-length"))
    known = max(length or 0, int(entry.request.number("bodySize", -1)), 0)
    if not isinstance(entry.request.at("postData").value, dict):
        return Content(None, known, header) if known else Content()
    post = entry.request.object("postData")
    media_type = header or post.text("mimeType", "") or None
    kind = media.kind(media_type)
    exact = _exact(post)
    if exact is None:
        text = post.text("text", "")
        if stream := _STREAM_HEADERS.match(text):
            text = text[stream.end() :]
        params = list(post.objects("params", needed=False))
        if text:
            found = _bytes(text, media_type, kind, length)
            if kind == "binary" and len(found) != length and _LOST in found:
                return Content(None, known, media_type)
            exact = found
        elif kind == "multipart" and params:
            return _multipart_of(params, media_type)
        elif params:
            exact = urlencode([(p.text("name"), p.text("value", "")) for p in params]).encode()
            media_type = media_type or _FORM
        else:
            return Content(None, known, media_type, reason=_reason(post)) if known else Content()
        if kind == "multipart":
            return _multipart(exact, media_type or "", length)
    return Content(exact, len(exact), media_type)


def answer_content(entry: Entry, status: int) -> Content:
    """What the answer held, `status` being what it is recorded with. Raises `NotHar` for base64 that is none."""
    header = dict(entry.got).get("content-type")
    if entry.method == "HEAD" or status in _BODILESS:
        return Content(media_type=header)
    exact = _exact(entry.content)
    text = entry.content.text("text", "")
    if exact is None and text:
        exact = _bytes(text, header, media.kind(header), None)
    if exact is not None:
        cut = _CUT <= len(exact) < entry.content.number("size", -1)
        return Content(None if cut else exact, len(exact), header)
    length = _length(dict(entry.got).get("content-length"))
    size = max(int(entry.content.number("size", -1)), int(entry.response.number("bodySize", -1)), length or 0, 0)
    # Browsers follow a redirect without reading its body: that none is there says nothing.
    unknown = size > 0 or (300 <= status < 400 and length != 0) or entry.content.at("comment").value is not None
    return Content(None if unknown else b"", size, header, reason=_reason(entry.content))


def _reason(node: Node) -> Omission:
    found = node.at("_omitted").value
    return next((reason for reason in get_args(Omission) if reason == found), "unavailable")


def _exact(node: Node) -> bytes | None:
    """Bytes that are there as bytes: in base64, or in a file beside the HAR as Playwright attaches them."""
    if name := node.text("_file", ""):
        path = node.file.parent / name
        return path.read_bytes() if _NAME.fullmatch(name) and path.is_file() and not path.is_symlink() else None
    if "base64" not in (node.text("encoding", "").lower(), node.text("_encoding", "").lower()):
        return None
    try:
        return base64.b64decode("".join(node.text("text", "").split()), validate=True)
    except (binascii.Error, ValueError):
        node.at("text").wrong("is not base64, as is said beside it")


def _bytes(text: str, media_type: str | None, kind: media.Kind, length: int | None) -> bytes:
    """A text as it was on the wire. What is no text may be written as one character a byte: `length` tells."""
    if kind in ("multipart", "binary", "unknown"):
        content = text.encode()
        if length is not None and len(content) != length == len(text) and all(ord(char) < 256 for char in text):
            return text.encode("latin-1")
        return content
    try:
        return text.encode(media.charset(media_type) or "utf-8", "replace")
    except (UnicodeError, ValueError):
        return text.encode()


def _multipart(content: bytes, media_type: str, length: int | None) -> Content:
    """A multipart body, its boundary found, its files looked at."""
    whole = len(content) == length
    if b"\r\n" not in content:
        content = content.replace(b"\n", b"\r\n")
    boundary = media.boundary(media_type)
    if boundary is None or f"--{boundary}".encode("latin-1", "replace") not in content:
        first = content.lstrip().partition(b"\r\n")[0]
        if not first.startswith(b"--") or len(first) < 3:
            return Content(None, length or len(content), media_type)
        boundary = first[2:].decode("latin-1")
        media_type = _form_data(boundary)
    files = _Files()
    Parser(boundary, files).feed(content)
    lost = set() if whole else {n for n, part in enumerate(files.contents) if not part or _LOST in part}
    return Content(content, len(content), media_type, frozenset(lost))


class _Files:
    """The contents of the files of a multipart body, in wire order."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []
        self._open = False

    def begin(self, headers: PartHeaders) -> None:
        self._open = bool(disposition(dict(headers).get("content-disposition", ""))[1])
        if self._open:
            self.contents.append(b"")

    def content(self, chunk: bytes) -> None:
        if self._open:
            self.contents[-1] += chunk

    def end(self) -> None:
        self._open = False


def _multipart_of(params: list[Node], media_type: str | None) -> Content:
    """A multipart body put together from the parameters that stand in its place."""
    boundary = media.boundary(media_type) or _BOUNDARY
    pieces, absent, files = [], set(), 0
    for param in params:
        value, filename = param.text("value", ""), param.text("fileName", "")
        head = f'Content-Disposition: form-data; name="{_quoted(param.text("name"))}"'
        if filename:
            head += f'; filename="{_quoted(filename)}"'
            if not value:
                absent.add(files)
            files += 1
        if kind := param.text("contentType", ""):
            head += f"\r\nContent-Type: {' '.join(kind.split())}"
        pieces.append(f"--{boundary}\r\n{head}\r\n\r\n{value}\r\n")
    content = f"{''.join(pieces)}--{boundary}--\r\n".encode()
    return Content(content, len(content), _form_data(boundary), frozenset(absent))


def _form_data(boundary: str) -> str:
    quoted = re.sub(r'(["\\])', r"\\\1", boundary)
    return f'multipart/form-data; boundary="{quoted}"'


def _quoted(text: str) -> str:
    """A name in a part's header, as browsers write it (HTML, multipart/form-data encoding algorithm)."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _length(value: str | None) -> int | None:
    value = (value or "").strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) < 16 else None
