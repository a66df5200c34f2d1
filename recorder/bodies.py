"""Bodies, teed while they stream: each piece is looked at once as it passes, and nothing is held back.

Text is kept in memory up to 1 MiB, so that it can be redacted with all that its exchange makes known; longer text goes
through a streaming redactor into a file. Binary content goes straight into a file, hashed on its way.
"""

from __future__ import annotations

import codecs
import hashlib
from typing import Any, Literal, Protocol, TypeAlias

from recorder import media
from recorder.codings import CodingError, Decoder, coding, decoder
from recorder.disguised import encoding_of, text_of
from recorder.marks import Redaction
from recorder.redaction import Redactor, Scanned
from recorder.store import Store
from recorder.streams import EndlessSecretError, StreamRedactor

__all__ = ["INLINE", "Body", "BodyTee", "Omission"]

INLINE = 64 << 10  # bytes of text that stand in the record itself
MEMORY = 1 << 20  # bytes of text held in memory
_SMALL = 256 << 10  # bytes of other content held in memory
_DECODED = 64 << 20  # bytes that a compressed text may decode to
_SNIFFED = 8 << 10
_THRESHOLDS: dict[media.Kind, int] = {"binary": _SMALL, "multipart": 0}
"""How many bytes of a kind of content are held in memory, where it is not MEMORY."""

_CLEAN = 4096
_clean: set[tuple[str, media.Kind, frozenset[str]]] = set()
"""Texts that hold no secret: their digest, what they are, and by which rules."""

Body: TypeAlias = dict[str, Any]

_PLACES = ("text", "ref", "parts", "omitted")  # where the content of a body is told
_AS_STORED = (None, "utf-8", "ascii")  # charsets in which the bytes sent are the bytes stored

Omission: TypeAlias = Literal["too_large", "not_read", "unavailable", "redaction", "write_failed", "disabled"]


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

    def __init__(self, decoder: Decoder, sink: Sink) -> None:
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

    size = 0
    truncated = False
    failed = False
    _closed = False
    _exact = False
    _sink: Sink | None = None
    _omitted: Omission | None = None
    _decoder: Decoder | None = None
    _encoding: str | None = None
    _scanned: Scanned | None = None
    _sha256 = ""
    """Of a text as it was sent, where it is stored like that unless it holds secrets; empty where it is not."""
    _kept = ("", "")

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
        self._store = store
        self._redactor = redactor
        self._media_type = media_type
        self._max_size = max_size
        if exact:
            self._exact = True
        self._kind = kind = "binary" if exact else media.kind(media_type)
        self._chunks: list[bytes] = []
        self._threshold = _THRESHOLDS.get(kind, MEMORY)
        if encoding is not None:
            self._encoding = coding(encoding)
            if self._encoding is not None and kind not in ("binary", "unknown"):
                self._threshold = min(self._threshold, _SMALL)
                self._decoder = decoder(self._encoding)
                if self._decoder is None:
                    self._omitted = "redaction"

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
        except (CodingError, EndlessSecretError):
            self.omit("redaction")
        except OSError:
            self._fail()

    def close(self) -> None:
        """Say that the body has ended, and mark its secrets: they are known to the rest of the exchange from now on."""
        if self._closed or self._omitted is not None or not self.size:
            return
        self._closed = True
        try:
            if self._sink is None:
                chunks = self._chunks
                self._close_small(chunks[0] if len(chunks) == 1 else b"".join(chunks))
            if self._sink is not None:
                self._sink.close()
        except _Refused as refused:
            self.omit(refused.reason)
        except (CodingError, EndlessSecretError):
            self.omit("redaction")
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
        size = self.size if declared is None or declared < self.size else declared
        scanned = self._scanned
        rendered = None
        if scanned is not None:
            rendered = text, redactions = self._redactor.render(scanned)
            if text is scanned.text and self._sha256 and size == self.size and len(text) <= INLINE // 4:
                return {  # of nearly every body
                    "size": size,
                    "sha256": self._sha256,
                    "media_type": self._media_type,
                    "encoding": self._encoding,
                    "stored_encoding": None,
                    "text": text,
                    "truncated": self.truncated,
                    "redactions": redactions,
                }
        if not size and self._omitted is None:
            return None
        if size > self.size:
            self.truncated = True
            if not self.size:
                self.omit("not_read")
        content: Body = {}
        if self._omitted is None:
            try:
                content = self._content(rendered)
            except OSError:
                self._fail()
        if self._omitted is not None:
            self.truncated = True
            content = {"sha256": None, "omitted": self._omitted}
        body: Body = {
            "size": size,
            "sha256": content["sha256"],
            "media_type": self._media_type,
            "encoding": self._encoding,
            "stored_encoding": self._encoding if self._decoder is None and "ref" in content else None,
        }
        for place in _PLACES:
            if place in content:
                body[place] = content[place]
        # What follows the closing delimiter of a multipart body is nobody's, and not every parser reads it.
        body["truncated"] = content["truncated"] if "parts" in content else self.truncated
        body["redactions"] = content.get("redactions") or []
        return body

    def uploads(self) -> list[Body]:
        """Return the payloads of the `file_upload` events of a multipart body."""
        uploads: list[Body] = getattr(self._sink, "uploads", list)()
        return uploads

    def _close_small(self, content: bytes) -> None:
        if self._decoder is not None:
            content = b"".join(self._decoder.all_of(content, MEMORY))
            if len(content) > MEMORY:
                self._decoder = decoder(self._encoding or "")
                self._spill(b"".join(self._chunks))
                return
        kind = self._kind
        if kind == "unknown":
            kind = "binary" if self._encoding else media.sniff(content[:_SNIFFED])
        if kind == "binary":
            if self._exact or not self._is_disguised(content):
                self._kept = self._store.put(content)
            return
        charset = media.charset(self._media_type)
        if charset is None and b"\0" in content[:4]:
            charset = encoding_of(content)
        try:
            text = content.decode(charset or "utf-8")
        except UnicodeError:
            text = content.decode("utf-8", "surrogateescape")
        else:
            if charset in _AS_STORED:
                self._sha256 = hashlib.sha256(content).hexdigest()
        if not self._sha256:
            self._scanned = self._redactor.scan(text, kind)
            return
        # One in which nothing was found (a page's script, what is polled) is remembered by its digest.
        key = (self._sha256, kind, self._redactor.rules)
        if key in _clean:
            self._scanned = Scanned(text, kind)
            return
        self._scanned = scanned = self._redactor.scan(text, kind)
        if not scanned.marks:
            if len(_clean) >= _CLEAN:
                _clean.clear()
            _clean.add(key)

    def _is_disguised(self, content: bytes) -> bool:
        """Whether it is text after all, and holds secrets: then it is kept as that."""
        text = text_of(content, self._encoding)
        if text is None:
            return False
        scanned = self._redactor.scan(text, media.sniff(text[:_SNIFFED].encode("utf-8", "replace")))
        if not scanned.marks:
            return False
        self._scanned = scanned
        self._decoder = decoder(self._encoding) if self._encoding is not None else None
        return True

    def _content(self, rendered: tuple[str, list[Redaction]] | None) -> Body:
        if self._sink is not None:
            return self._sink.describe()
        if rendered is None:
            return {"sha256": self._kept[0], "ref": self._kept[1]}
        text, redactions = rendered
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
        elif (
            kind == "binary" and not self._exact and not self._encoding and media.sniff(content[:_SNIFFED]) != "binary"
        ):
            self._sink = _LongText(self._store, self._redactor, "text", None)
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
