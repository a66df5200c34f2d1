"""A PDF as lines of text: its objects and what its streams draw, the places in the file and its fingerprint left out.

No page is laid out. Both PDFs come from the same program, so what they draw is written in the same order; a letter that
changed stands in its line.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib

__all__ = ["read_pdf"]

_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\n?endstream", re.DOTALL)
_TABLE = re.compile(rb"^xref\s.*?(?=^trailer)", re.DOTALL | re.MULTILINE)
_PLACE = re.compile(rb"startxref\s+\d+")
_LENGTH = re.compile(rb"/Length\s+\d+(?!\s+\d+\s+R)")
_ID = re.compile(rb"/ID\s*\[.*?\]", re.DOTALL)
_DATE = re.compile(r"D:(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:(Z)|([+-]\d\d)'(\d\d)'?)?(?:00'00'?)?")
_FILTER = re.compile(rb"/(ASCII85Decode|A85|FlateDecode|Fl|ASCIIHexDecode|AHx|LZWDecode|DCTDecode|JPXDecode)\b")
_LARGEST = 64 << 20


def read_pdf(body: bytes) -> str | None:
    """The text of a PDF, or None where it is encrypted: then every byte depends on its key."""
    if re.search(rb"/Encrypt\b", body):
        return None
    lines: list[str] = []
    end = 0
    for stream in _STREAM.finditer(body):
        lines += _plain(body[end : stream.start()])
        lines += _drawn(stream[1], body[max(end, body.rfind(b" obj", end, stream.start())) : stream.start()])
        end = stream.end()
    return "\n".join([*lines, *_plain(body[end:])]).removeprefix("%")


def _plain(source: bytes) -> list[str]:
    """The objects of a stretch outside streams."""
    for pattern in (_TABLE, _PLACE, _LENGTH, _ID):
        source = pattern.sub(b"", source)
    return _lines(source.decode("latin-1"))


def _lines(text: str) -> list[str]:
    dated = _DATE.sub(lambda m: f"{m[1]}-{m[2]}-{m[3]}T{m[4]}:{m[5]}:{m[6]}{_zone(m)}", text)
    return [line.rstrip() for line in dated.splitlines() if line.strip()]


def _zone(found: re.Match[str]) -> str:
    return f"{found[8]}:{found[9]}" if found[8] else "Z"


def _drawn(content: bytes, about: bytes) -> list[str]:
    """What a stream holds. `about` is the dictionary before it."""
    if re.search(rb"/Type\s*/XRef\b", about):
        return []
    for name in _FILTER.findall(about):
        if name in (b"FlateDecode", b"Fl"):
            content = zlib.decompressobj().decompress(content, _LARGEST)
        elif name in (b"ASCII85Decode", b"A85"):
            content = base64.a85decode(content.strip().removesuffix(b"~>"))
        elif name in (b"ASCIIHexDecode", b"AHx"):
            content = bytes.fromhex(content.strip().removesuffix(b">").decode("ascii"))
        else:
            break
    if first := re.search(rb"/Type\s*/ObjStm\b.*?/First\s+(\d+)|/First\s+(\d+).*?/Type\s*/ObjStm\b", about, re.DOTALL):
        content = content[int(first[1] or first[2]) :]
    if any(byte < 9 or 13 < byte < 32 for byte in content[:4096]):
        return [f"{len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}"]
    return _lines(content.decode("latin-1"))
