"""Reading the members of a zip or tar, one after the other, within limits and without trusting their names."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from typing import IO

from .comparison import Unreadable, counted, excerpt, reading

LARGEST = 2 << 30  # bytes that an archive may unpack to
MOST = 100_000  # members
_LARGEST_READ = 4 << 20  # bytes at once; tarfile asks for more only when a forged header tells it to

# What zipfile, tarfile and the decompressors raise on corrupt, encrypted and forged archives.
_FAULTS: tuple[type[Exception], ...] = (
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Member:
    """What an archive holds under a name, its times, owner and permissions apart."""

    kind: str  # "a file", "a folder", "a link to x"
    size: int = 0  # bytes
    sha256: str = ""  # of a file's content

    def __str__(self) -> str:
        return f"{self.kind} of {counted(self.size, 'byte')}" if self.sha256 else self.kind


def container(path: Path) -> str:
    """The kind of archive at `path`, by its first bytes."""
    with path.open("rb") as file:
        start = file.read(6)
    # zipfile.is_zipfile looks at the end, where a tar may hold a zip.
    kinds = {b"PK": "zip", b"\x1f\x8b": "tar.gz", b"BZh": "tar.bz2", b"\xfd7zXZ\x00": "tar.xz"}
    return next((kind for magic, kind in kinds.items() if start.startswith(magic)), "tar")


def contents(path: Path) -> dict[str, Member]:
    """The members of the archive at `path` by name. Raises Unreadable for what is corrupt or exceeds the limits."""
    found: dict[str, Member] = {}
    with reading(path, "an archive", *_FAULTS):
        for name, member, stream in _members(path):
            digest = hashlib.file_digest(stream, "sha256").hexdigest() if stream else ""  # type: ignore[arg-type]
            found[name] = Member(member.kind, member.size, digest)
    return found


def unpack(path: Path, targets: Mapping[str, Path]) -> None:
    """Write the members named in `targets` to the files given there. The names in the archive decide no place."""
    with reading(path, "an archive", *_FAULTS):
        for name, _, stream in _members(path):
            if stream and name in targets:
                with targets[name].open("wb") as file:
                    shutil.copyfileobj(stream, file)


def _members(path: Path) -> Iterator[tuple[str, Member, IO[bytes] | None]]:
    """Each member with its content, which must be read before the next one; a repeated name gets its number."""
    seen: Counter[str] = Counter()
    size = 0
    for name, member, stream in _zip(path) if container(path) == "zip" else _tar(path):
        seen[name] += 1
        size += member.size
        # Sizes are checked before anything is unpacked, and neither library unpacks more than a member's header says.
        if size > LARGEST:
            raise Unreadable(path, f"unpacks to more than {LARGEST:,} bytes, the most that is read")
        if seen.total() > MOST:
            raise Unreadable(path, f"has more than {MOST:,} members, the most that are read")
        yield name if seen[name] == 1 else f"{name} ({seen[name]})", member, stream


def _zip(path: Path) -> Iterator[tuple[str, Member, IO[bytes] | None]]:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.is_dir():
                yield entry.filename, Member("a folder"), None
            else:
                with archive.open(entry) as stream:
                    yield entry.filename, Member("a file", entry.file_size), stream


def _tar(path: Path) -> Iterator[tuple[str, Member, IO[bytes] | None]]:
    with _decompressed(path) as stream, tarfile.open(fileobj=_Bounded(stream), mode="r:") as archive:
        for entry in archive:
            if entry.isreg():
                yield entry.name, Member("a file", entry.size), archive.extractfile(entry)
            elif entry.issym() or entry.islnk():
                yield entry.name, Member(f"a link to {excerpt(entry.linkname)}"), None
            else:
                yield entry.name, Member("a folder" if entry.isdir() else "a device", entry.size), None


def _decompressed(path: Path) -> BufferedIOBase:
    match container(path):
        case "tar.gz":
            return gzip.open(path)
        case "tar.bz2":
            return bz2.open(path)
        case "tar.xz":
            return lzma.open(path)
    return path.open("rb")


class _Bounded(BufferedReader):
    """A stream for tarfile that refuses the one huge read by which a forged header would fill the memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _LARGEST_READ:
            raise ValueError(f"a header that claims {size} bytes")
        return super().read(size)
