"""Bodies, teed while they stream: each piece is looked at once as it passes, and nothing is held back.

Text is kept in memory up to 1 MiB, so that it can be redacted with all that its exchange makes known; longer text goes
through a streaming redactor into a file. Binary content goes straight into a file, hashed on its way. Files are named
by what they hold, so the same upload is kept once.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from recorder import media
from recorder.events import ulid
from recorder.redaction import Redactor, Scanned
from recorder.space import Space
from recorder.streams import StreamRedactor

__all__ = ["INLINE", "Body", "BodyTee", "Omission", "Store"]

INLINE = 64 << 10  # bytes of text that stand in the record itself
MEMORY = 1 << 20  # bytes of text held in memory
_SMALL = 256 << 10  # bytes of other content held in memory
_DECODED = 64 << 20  # bytes that a compressed text may decode to
_SNIFFED = 8 << 10

_CLEAN = 1024  # large texts that are remembered to hold no secret
_clean: set[tuple[bytes, media.Kind, frozenset[str]]] = set()

Body: TypeAlias = dict[str, Any]
_NO_CODING = frozenset({"", "identity", "none", "null", "binary", "7bit", "8bit", "utf-8", "utf8", "ascii", "us-ascii"})
"""What stands in Content-Encoding without being a coding: applications write charsets there, and Python's None."""

Omission: TypeAlias = Literal["too_large", "not_read", "unavailable", "redaction", "write_failed", "disabled"]


class Store:
    """The files below a log's `profile.bodies/`, named by their SHA-256."""

    def __init__(self, log_dir: Path, *, fsync: bool = False, space: Space | None = None) -> None:
        self._log_dir = log_dir
        self._fsync = fsync
        self.space = space

    @property
    def directory(self) -> Path:
        """Where the files are."""
        return self._log_dir / "profile.bodies"

    def open(self) -> Spool:
        """Return a new file to be filled. Raises OSError when it cannot be made."""
        self._log_dir.parent.stat()  # never make the directory of a run that is gone
        directory = self.directory
        directory.mkdir(0o750, parents=True, exist_ok=True)
        return Spool(self, directory / f".partial-{ulid()}", self._fsync)

    def put(self, content: bytes) -> tuple[str, str]:
        """Keep the content; return its SHA-256 and its `ref`. Raises OSError when it cannot be written."""
        sha256 = hashlib.sha256(content).hexdigest()
        ref = f"{sha256[:2]}/{sha256}"
        if not (self.directory / ref).exists():
            spool = self.open()
            spool.write(content)
            spool.keep()
        return sha256, ref


class Spool:
    """A file on its way into the store."""

    def __init__(self, store: Store, path: Path, fsync: bool) -> None:
        self._store = store
        self._path = path
        self._fsync = fsync
        self._hash = hashlib.sha256()
        self._file = open(path, "xb", buffering=0, opener=_private)  # noqa: SIM115

    def write(self, content: bytes) -> None:
        """Append the content. Raises OSError; the file is then to be dropped."""
        if self._store.space is not None:
            self._store.space.take(len(content))
        self._hash.update(content)
        view = memoryview(content)
        while view:
            view = view[self._file.write(view) or 0 :]

    def keep(self) -> tuple[str, str]:
        """Move the file to its name; return its SHA-256 and `ref`."""
        sha256 = self._hash.hexdigest()
        ref = f"{sha256[:2]}/{sha256}"
        try:
            if self._fsync:
                os.fsync(self._file.fileno())
            self._file.close()
            target = self._store.directory / ref
            target.parent.mkdir(0o750, exist_ok=True)
            self._path.rename(target)
        except OSError:
            self.drop()
            raise
        return sha256, ref

    def drop(self) -> None:
        """Remove the unfinished file."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._path.unlink()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o640)


class Sink(Protocol):
    """Where the pieces of a body too large for memory go."""

    def feed(self, chunk: bytes) -> None:
        """Take a piece. Raises OSError when it cannot be written, _Refused when it must not be."""

    def close(self) -> None:
        """Say that the body has ended. Raises OSError when it cannot be kept."""

    def describe(self) -> Body:
        """Return what the descriptor says about the content: `sha256`, and `ref` or `parts`."""

    def drop(self) -> None:
        """Forget the body and remove its files."""


class _Refused(Exception):
    """The rest of a body is not stored."""

    def __init__(self, reason: Omission) -> None:
        super().__init__(reason)
        self.reason: Omission = reason


class _Exact:
    """Bytes as they are, into a file."""

    def __init__(self, store: Store) -> None:
        self._spool = store.open()

    def feed(self, chunk: bytes) -> None:
        self._spool.write(chunk)

    def close(self) -> None:
        self._kept = self._spool.keep()

    def describe(self) -> Body:
        return {"sha256": self._kept[0], "ref": self._kept[1]}

    def drop(self) -> None:
        self._spool.drop()


class _LongText:
    """Text through the streaming redactor, into a file. Bytes that are not UTF-8 survive as they are."""

    def __init__(self, store: Store, redactor: Redactor, kind: media.Kind, charset: str | None) -> None:
        errors = "replace" if charset not in (None, "utf-8", "ascii") else "surrogateescape"
        self._decoder = codecs.getincrementaldecoder(charset or "utf-8")(errors)
        self._redactor = StreamRedactor(redactor, kind)
        self._spool = store.open()

    def feed(self, chunk: bytes) -> None:
        self._spool.write(self._redactor.feed(self._decoder.decode(chunk)).encode("utf-8", "surrogateescape"))

    def close(self) -> None:
        rest = self._redactor.feed(self._decoder.decode(b"", True)) + self._redactor.close()
        self._spool.write(rest.encode("utf-8", "surrogateescape"))
        self._kept = self._spool.keep()

    def describe(self) -> Body:
        return {"sha256": self._kept[0], "ref": self._kept[1], "redactions": self._redactor.redactions}

    def drop(self) -> None:
        self._spool.drop()


class _Decoding:
    """Undoes a Content-Encoding on the way into another sink, and refuses what grows beyond all measure."""

    def __init__(self, decoder: _Decoder, sink: Sink) -> None:
        self._decoder = decoder
        self._sink = sink
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        for piece in self._decoder.pieces(chunk):
            self._size += len(piece)
            if self._size > _DECODED:
                raise _Refused("too_large")
            self._sink.feed(piece)

    def close(self) -> None:
        self._sink.close()

    def describe(self) -> Body:
        return self._sink.describe()

    def drop(self) -> None:
        self._sink.drop()


class BodyTee:
    """One body: `feed` it, `close` it, and when all that is secret in its exchange is known, `describe` it.

    `exact` content (an uploaded file) is never looked into. Faults of the disk become `omitted`, and `failed` is set.
    """

    __slots__ = (
        "_chunks",
        "_closed",
        "_decoder",
        "_encoding",
        "_kept",
        "_kind",
        "_max_size",
        "_media_type",
        "_omitted",
        "_redactor",
        "_scanned",
        "_sink",
        "_store",
        "_threshold",
        "failed",
        "size",
        "truncated",
    )

    def __init__(
        self,
        store: Store,
        redactor: Redactor,
        media_type: str | None,
        encoding: str | None = None,
        *,
        max_size: int = 2 << 30,
        exact: bool = False,
    ) -> None:
        self.size = 0
        self.truncated = False
        self.failed = False
        self._store = store
        self._redactor = redactor
        self._media_type = media_type
        self._encoding = None if encoding is None or encoding.strip().lower() in _NO_CODING else encoding.strip()
        self._max_size = max_size
        self._kind: media.Kind = "binary" if exact else media.kind(media_type)
        self._chunks: list[bytes] = []
        self._sink: Sink | None = None
        self._omitted: Omission | None = None
        self._scanned: Scanned | None = None
        self._closed = False
        self._kept = ("", "")
        self._decoder: _Decoder | None = None
        if self._encoding is not None and self._kind not in ("binary", "unknown"):
            self._decoder = _decoder(self._encoding)
            if self._decoder is None:
                self._omitted = "redaction"
        self._threshold = _SMALL if self._kind == "binary" or self._decoder is not None else MEMORY
        if self._kind == "multipart":
            self._threshold = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next piece."""
        self.size += len(chunk)
        if self._omitted is not None:
            return
        try:
            if self.size > self._max_size:
                raise _Refused("too_large")
            if self._sink is not None:
                self._sink.feed(chunk)
                return
            self._chunks.append(chunk)
            if self.size > self._threshold:
                self._spill(b"".join(self._chunks))
        except _Refused as refused:
            self.omit(refused.reason)
        except OSError:
            self._fail()

    def close(self) -> None:
        """Say that the body has ended, and mark its secrets: they are known to the rest of the exchange from now on."""
        if self._closed or self._omitted is not None or not self.size:
            return
        self._closed = True
        try:
            if self._sink is None:
                self._close_small(b"".join(self._chunks))
            if self._sink is not None:
                self._sink.close()
        except _Refused as refused:
            self.omit(refused.reason)
        except OSError:
            self._fail()
        self._chunks.clear()

    def omit(self, reason: Omission) -> None:
        """Store nothing of the body, and say why."""
        self._omitted = reason
        self._chunks.clear()
        self._scanned = None
        if self._sink is not None:
            self._sink.drop()
            self._sink = None

    def describe(self, declared: int | None = None) -> Body | None:
        """Return the body's descriptor (docs/formats.md), or None for an empty body.

        `declared` is the size that was announced, where the application read less.
        """
        size = max(self.size, declared or 0)
        if not size and self._omitted is None:
            return None
        if size > self.size:
            self.truncated = True
            if not self.size:
                self.omit("not_read")
        content: Body = {}
        if self._omitted is None:
            try:
                content = self._content()
            except OSError:
                self._fail()
        if self._omitted is not None:
            content = {"sha256": None, "omitted": self._omitted}
            self.truncated = True
        return {
            "size": size,
            "sha256": content.pop("sha256"),
            "media_type": self._media_type,
            "encoding": self._encoding,
            "stored_encoding": self._encoding if self._decoder is None and "ref" in content else None,
            **{key: content[key] for key in ("text", "ref", "parts", "omitted") if key in content},
            # What follows the closing delimiter of a multipart body is nobody's, and not every parser reads it.
            "truncated": content.get("truncated", False) if "parts" in content else self.truncated,
            "redactions": content.get("redactions", []),
        }

    def uploads(self) -> list[Body]:
        """Return the payloads of the `file_upload` events of a multipart body."""
        uploads: list[Body] = getattr(self._sink, "uploads", list)()
        return uploads

    def _close_small(self, content: bytes) -> None:
        if self._decoder is not None:
            content = b"".join(self._decoder.all_of(content, MEMORY))
            if len(content) > MEMORY:
                self._decoder = _decoder(self._encoding or "")
                self._spill(b"".join(self._chunks))
                return
        kind = self._kind
        if kind == "unknown":
            kind = "binary" if self._encoding else media.sniff(content[:_SNIFFED])
        if kind == "binary":
            self._kept = self._store.put(content)
            return
        charset = media.charset(self._media_type)
        try:
            text = content.decode(charset or "utf-8")
        except UnicodeError:
            text = content.decode("utf-8", "surrogateescape")
        self._scanned = self._scan(content, text, kind)

    def _scan(self, content: bytes, text: str, kind: media.Kind) -> Scanned:
        """Scan a text; a large one in which nothing was found (scripts, style sheets) is remembered by its digest."""
        if len(content) <= INLINE:
            return self._redactor.scan(text, kind)
        key = (hashlib.sha256(content).digest(), kind, self._redactor.rules)
        if key in _clean:
            return Scanned(text, kind)
        scanned = self._redactor.scan(text, kind)
        if not scanned.marks:
            if len(_clean) >= _CLEAN:
                _clean.clear()
            _clean.add(key)
        return scanned

    def _content(self) -> Body:
        if self._sink is not None:
            return self._sink.describe()
        if self._scanned is None:
            return {"sha256": self._kept[0], "ref": self._kept[1]}
        text, redactions = self._redactor.render(self._scanned)
        content = text.encode("utf-8", "surrogateescape")
        if len(content) <= INLINE and not _has_surrogates(text):
            return {"sha256": hashlib.sha256(content).hexdigest(), "text": text, "redactions": redactions}
        sha256, ref = self._store.put(content)
        return {"sha256": sha256, "ref": ref, "redactions": redactions}

    def _spill(self, content: bytes) -> None:
        kind = self._kind
        if kind == "unknown":
            kind = "binary" if self._encoding else media.sniff(content[:_SNIFFED])
        if kind == "multipart":
            from recorder.multipart import Multipart

            self._sink = Multipart(self._store, self._redactor, media.boundary(self._media_type), self._max_size)
        elif kind == "binary":
            self._sink = _Exact(self._store)
        else:
            self._sink = _LongText(self._store, self._redactor, kind, media.charset(self._media_type))
        if self._decoder is not None:
            self._sink = _Decoding(self._decoder, self._sink)
        self._chunks.clear()
        self._sink.feed(content)

    def _fail(self) -> None:
        self.failed = True
        self.omit("write_failed")


def _has_surrogates(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


class _Decoder:
    """A Content-Encoding being undone, piece by bounded piece."""

    PIECE = 64 << 10

    def __init__(self, decode: Callable[[bytes, int], bytes], rest: Callable[[], bytes]) -> None:
        self._decode = decode
        self._rest = rest

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what the chunk decodes to. Raises _Refused when it is not what was announced."""
        try:
            while True:
                piece = self._decode(chunk, self.PIECE)
                if piece:
                    yield piece
                chunk = self._rest()
                if not chunk and len(piece) < self.PIECE:
                    return
        except zlib.error as error:
            raise _Refused("redaction") from error

    def all_of(self, content: bytes, limit: int) -> Iterator[bytes]:
        """Yield what the content decodes to, until it is more than `limit` bytes."""
        size = 0
        for piece in self.pieces(content):
            size += len(piece)
            yield piece
            if size > limit:
                return


def _decoder(encoding: str) -> _Decoder | None:
    """Return a decoder for a Content-Encoding; None where the standard library has none (br, zstd)."""
    name = encoding.lower()
    if name in ("gzip", "x-gzip"):
        inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
        return _Decoder(inflate.decompress, lambda: inflate.unconsumed_tail)
    if name == "deflate":
        return _deflate()
    return None


def _deflate() -> _Decoder:
    """RFC 9110 says zlib format; some senders mean raw deflate."""
    state: list[Any] = []

    def decode(chunk: bytes, limit: int) -> bytes:
        if not state:
            state.append(zlib.decompressobj())
            try:
                return bytes(state[0].decompress(chunk, limit))
            except zlib.error:
                state[0] = zlib.decompressobj(-zlib.MAX_WBITS)
        return bytes(state[0].decompress(chunk, limit))

    return _Decoder(decode, lambda: state[0].unconsumed_tail)
