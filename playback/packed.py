"""What a binary answer holds: the members of a zip, tar or gzip, the sheets of a workbook, the text of a PDF.

Two correct downloads differ in their bytes: archives and office documents write down when they were made. Their content
is compared instead, each part as an answer of its own kind, with mapped values.
"""

from __future__ import annotations

import gzip
import io
import lzma
import mimetypes
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from playback.pdf_text import read_pdf
from playback.workbook import read_sheets

__all__ = ["Part", "read_parts"]

_LARGEST = 64 << 20
"""Bytes that a body may unpack to. What holds more is compared by its bytes."""

_MOST = 5_000
"""Members that are read."""

_FAULTS = (EOFError, KeyError, NotImplementedError, OSError, RuntimeError, ValueError, lzma.LZMAError, tarfile.TarError,
           zipfile.BadZipFile, zlib.error)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One thing that a body holds: its name there, what kind it is, and its content."""

    name: str
    media_type: str
    content: bytes


def read_parts(body: bytes) -> list[Part] | None:
    """The parts of a body, or None where it is no archive and no PDF that can be read."""
    try:
        if body.startswith(b"PK\x03\x04"):
            return _of_zip(body)
        if body.startswith(b"%PDF-"):
            return [Part("text", "text/plain", text.encode())] if (text := read_pdf(body)) is not None else None
        if body.startswith(b"\x1f\x8b"):
            return _of_gzip(body)
        if body[257:262] == b"ustar":
            return list(_of_tar(body))
    except _FAULTS:
        return None
    return None


def _of_zip(body: bytes) -> list[Part]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        entries = archive.infolist()
        _within(len(entries), sum(entry.file_size for entry in entries))
        members = {entry.filename: archive.read(entry) for entry in entries}
    sheets = read_sheets(members)
    if sheets is None:
        return [Part(name, _kind(name), content) for name, content in members.items()]
    others = [Part(n, _kind(n), content) for n, content in members.items() if n not in sheets.read]
    return [*(Part(name, "application/json", table) for name, table in sheets.tables.items()), *others]


def _of_gzip(body: bytes) -> list[Part]:
    with gzip.GzipFile(fileobj=io.BytesIO(body)) as stream:
        content = stream.read(_LARGEST + 1)
    _within(1, len(content))
    return list(_of_tar(content)) if content[257:262] == b"ustar" else [Part("content", "text/plain", content)]


def _of_tar(body: bytes) -> Iterator[Part]:
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:") as archive:
        members = archive.getmembers()
        _within(len(members), sum(member.size for member in members))
        for member in members:
            if stream := archive.extractfile(member) if member.isreg() else None:
                yield Part(member.name, _kind(member.name), stream.read())
            else:
                yield Part(member.name, "text/plain", f"{member.type!r} {member.linkname}".encode())


def _within(members: int, size: int) -> None:
    if members > _MOST or size > _LARGEST:
        raise ValueError("more than is read")


def _kind(name: str) -> str:
    return "application/xml" if name.endswith((".xml", ".rels")) else mimetypes.guess_type(name)[0] or "text/plain"
