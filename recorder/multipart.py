"""A streaming parser for `multipart/form-data` (RFC 7578, RFC 2046), and the sink that stores what it finds.

It is our own because the recorder is installed beside other people's pins with no dependency that could do it. It
observes: whatever is malformed ends the parse without an error, and what was complete before is kept. Fields are
redacted by their name; file parts go straight to disk, byte for byte.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from contextlib import suppress
from typing import Protocol
from urllib.parse import unquote_to_bytes

from recorder.bodies import Body, BodyTee
from recorder.marks import Redaction
from recorder.pseudonyms import PSEUDONYM
from recorder.redaction import Redactor
from recorder.store import Store

__all__ = ["Multipart", "Parser", "PartReceiver", "disposition"]

MAX_PARTS = 10_000
MAX_HEADERS = 16 << 10  # bytes of one part's headers
MAX_FIELDS = 8 << 20  # bytes of all fields together that are held in memory
_MAX_BOUNDARY = 1024

_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))', re.DOTALL)
_EXTENDED = re.compile(r"([A-Za-z0-9._-]*)'[^']*'(.*)", re.DOTALL)

PartHeaders = list[tuple[str, str]]


class PartReceiver(Protocol):
    """What a parser tells."""

    def begin(self, headers: PartHeaders) -> None:
        """A part begins; its header fields in wire order, names in lower case."""

    def content(self, chunk: bytes) -> None:
        """A piece of its content."""

    def end(self) -> None:
        """The part is complete."""


class Parser:
    """A push parser: `feed` it pieces cut anywhere. `complete` after the closing delimiter, `broken` when malformed."""

    def __init__(self, boundary: str, receiver: PartReceiver) -> None:
        self._delimiter = b"\r\n--" + boundary.encode("latin-1", "replace")
        self._receiver = receiver
        self._buffer = b"\r\n"  # so that the first delimiter looks like the others
        self._step = self._preamble
        self._parts = 0
        self._skip = 0
        self.complete = False
        self.broken = not 0 < len(boundary) <= _MAX_BOUNDARY

    def feed(self, chunk: bytes) -> None:
        """Parse the next piece."""
        if self.complete or self.broken:
            return  # an epilogue is ignored
        self._buffer += chunk
        while self._step() and not (self.complete or self.broken):
            pass

    def _preamble(self) -> bool:
        at = self._buffer.find(self._delimiter)
        if at < 0:
            self._buffer = self._buffer[-len(self._delimiter) + 1 :]
            return False
        self._buffer = self._buffer[at + len(self._delimiter) :]
        self._step = self._after_delimiter
        return True

    def _after_delimiter(self) -> bool:
        if self._buffer.startswith(b"--"):
            self.complete = True
            return False
        end = self._buffer.find(b"\r\n")
        if end < 0:
            self.broken = len(self._buffer) > MAX_HEADERS
            return False
        if self._buffer[:end].strip(b" \t"):
            self.broken = True
            return False
        self._step = self._headers
        self._buffer = self._buffer[end:]  # keeps the line end: no header at all is then a blank line as well
        return True

    def _headers(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or end > MAX_HEADERS:
            self.broken = len(self._buffer) > MAX_HEADERS
            return False
        self._parts += 1
        if self._parts > MAX_PARTS:
            self.broken = True
            return False
        lines = re.sub(rb"\r\n[ \t]+", b" ", self._buffer[2:end]).split(b"\r\n") if end > 2 else []
        headers = [(name, value) for name, colon, value in (_decode(line).partition(":") for line in lines) if colon]
        self._receiver.begin([(name.strip().lower(), value.strip()) for name, value in headers])
        self._buffer = self._buffer[end + 2 :]  # keeps one line end: the content may be empty
        self._skip = 2
        self._step = self._content
        return True

    def _content(self) -> bool:
        at = self._buffer.find(self._delimiter)
        # Until the delimiter is seen, hold back what could be its beginning.
        end = at if at >= 0 else len(self._buffer) - len(self._delimiter) + 1
        if end > self._skip:
            self._receiver.content(self._buffer[self._skip : end])
            self._skip = 0
            self._buffer = self._buffer[end:]
            at = 0 if at >= 0 else -1
        if at < 0:
            return False
        self._receiver.end()
        self._buffer = self._buffer[at + len(self._delimiter) :]
        self._step = self._after_delimiter
        return True


def disposition(value: str) -> tuple[str | None, str | None]:
    """Return the name and the filename of a Content-Disposition header; the filename is None for a field.

    Takes `filename*` (RFC 5987) before `filename`. In quotes only a quote or backslash is unescaped: browsers send
    Windows paths as they are.
    """
    found: dict[str, str] = {}
    for match in _PARAMETER.finditer(value):
        quoted = match[2]
        text = re.sub(r'\\(["\\])', r"\1", quoted) if quoted is not None else match[3].strip()
        found.setdefault(match[1].lower(), text)
    extended = _EXTENDED.fullmatch(found.get("filename*", ""))
    if extended is not None:
        with suppress(LookupError):
            return found.get("name"), unquote_to_bytes(extended[2]).decode(extended[1] or "utf-8", "replace")
    return found.get("name"), found.get("filename")


class Multipart:
    """The sink of a multipart body: its parts, in wire order."""

    def __init__(self, store: Store, redactor: Redactor, boundary: str | None, max_size: int) -> None:
        self._store = store
        self._redactor = redactor
        self._max_size = max_size
        self._parts: list[_Part] = []
        self._described: list[Body] = []
        self._in_memory = 0
        self._parser = Parser(boundary or "", self)

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of the body."""
        self._parser.feed(chunk)

    def begin(self, headers: PartHeaders) -> None:
        """A part begins."""
        self._parts.append(_Part(self._store, self._redactor, headers, self._max_size))

    def content(self, chunk: bytes) -> None:
        """A piece of its content."""
        part = self._parts[-1]
        part.feed(chunk)
        if part.filename is None:
            self._in_memory += len(chunk)
            self._parser.broken |= self._in_memory > MAX_FIELDS

    def end(self) -> None:
        """The part is complete."""
        self._parts[-1].close()

    def close(self) -> None:
        """The body has ended; a part that had not is dropped."""
        if self._parts and not self._parts[-1].complete:
            self._parts.pop().drop()

    def describe(self) -> Body:
        """Return `parts`, the redactions in them, and whether the body broke off."""
        self._described = [part.describe() for part in self._parts]
        names = Counter(part.name for part in self._parts)
        index: Counter[str] = Counter()
        redactions: list[Redaction] = []
        for part in self._parts:
            pointer = "/" + part.name.replace("~", "~0").replace("/", "~1")
            if names[part.name] > 1:
                pointer += f"/{index[part.name]}"
                index[part.name] += 1
            redactions += [{"pointer": pointer, "pseudonym": pseudonym} for pseudonym in part.pseudonyms]
        return {
            "sha256": None,
            "parts": self._described,
            "truncated": not self._parser.complete or any("omitted" in part for part in self._described),
            "redactions": redactions,
        }

    def uploads(self) -> list[Body]:
        """Return a `file_upload` payload for each file, once the body has been described."""
        return [
            {
                "field": part["name"],
                **{key: part[key] for key in ("filename", "media_type", "size", "sha256")},
                "ref": part.get("ref"),
                **({"omitted": part["omitted"]} if "omitted" in part else {}),
            }
            for part in self._described
            if part["filename"]
        ]

    def drop(self) -> None:
        """Forget all parts; files that are complete stay in the store."""
        for part in self._parts:
            if not part.complete:
                part.drop()
        self._parts.clear()


class _Part:
    """One field or file."""

    def __init__(self, store: Store, redactor: Redactor, headers: PartHeaders, max_size: int) -> None:
        fields = dict(headers)
        name, self.filename = disposition(fields.get("content-disposition", ""))
        self.name = name or ""
        self.complete = False
        self.pseudonyms: list[str] = []
        self._store = store
        self._redactor = redactor
        self._headers = headers
        self._media_type = fields.get("content-type")
        self._secret = redactor.kind(self.name) if self.filename is None else None
        self._value = bytearray()
        self._shown: str | None = None
        media_type = self._media_type or "text/plain"
        self._tee = BodyTee(store, redactor, media_type, max_size=max_size, exact=bool(self.filename))

    def feed(self, chunk: bytes) -> None:
        if self._secret is not None:
            self._value += chunk
        else:
            self._tee.feed(chunk)

    def close(self) -> None:
        self.complete = True
        self._tee.close()
        if self._value:
            self._shown = self._redactor.secret(self._value.decode("utf-8", "replace"), self._secret or "secret")
            self.pseudonyms = [self._shown] if PSEUDONYM.fullmatch(self._shown) else []

    def drop(self) -> None:
        self._tee.omit("unavailable")

    def describe(self) -> Body:
        described: Body = {
            "name": self.name,
            "filename": self.filename,
            "media_type": self._media_type,
            "headers": self._redactor.headers(self._headers),
        }
        if self._shown is not None:
            return {**described, "size": len(self._value), **_text(self._shown)}
        body = self._tee.describe()
        if body is None:
            if not self.filename:
                return {**described, "size": 0, **_text("")}
            sha256, ref = self._store.put(b"")
            return {**described, "size": 0, "sha256": sha256, "ref": ref}
        self.pseudonyms = [redaction["pseudonym"] for redaction in body["redactions"]]
        kept = ("size", "sha256", "text", "ref", "omitted")
        return {**described, **{key: body[key] for key in kept if key in body}}


def _text(text: str) -> Body:
    return {"sha256": hashlib.sha256(text.encode()).hexdigest(), "text": text}


def _decode(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")
