"""Content codings undone as far as the standard library knows them: what is compressed cannot be searched for secrets."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["CodingError", "Decoder", "coding", "decoder"]

_NO_CODING = frozenset({"", "identity", "none", "null", "binary", "7bit", "8bit", "utf-8", "utf8", "ascii", "us-ascii"})
"""What stands in Content-Encoding without being a coding: applications write charsets there, and Python's None."""


class CodingError(Exception):
    """What was sent is not in the coding that was announced."""


def coding(encoding: str | None) -> str | None:
    """Return the coding that a Content-Encoding announces, or None."""
    if encoding is None or encoding.strip().lower() in _NO_CODING:
        return None
    return encoding.strip()


class Decoder:
    """A Content-Encoding being undone, piece by bounded piece."""

    PIECE = 64 << 10

    def __init__(self, decode: Callable[[bytes, int], bytes], rest: Callable[[], bytes]) -> None:
        self._decode = decode
        self._rest = rest

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what the chunk decodes to. Raises CodingError when it is not what was announced."""
        try:
            while True:
                piece = self._decode(chunk, self.PIECE)
                if piece:
                    yield piece
                chunk = self._rest()
                if not chunk and len(piece) < self.PIECE:
                    return
        except zlib.error as error:
            raise CodingError from error

    def all_of(self, content: bytes, limit: int) -> Iterator[bytes]:
        """Yield what the content decodes to, until it is more than `limit` bytes."""
        size = 0
        for piece in self.pieces(content):
            size += len(piece)
            yield piece
            if size > limit:
                return


def decoder(encoding: str) -> Decoder | None:
    """Return a decoder for a Content-Encoding; None where the standard library has none (br, zstd)."""
    name = encoding.lower()
    if name in ("gzip", "x-gzip"):
        inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
        return Decoder(inflate.decompress, lambda: inflate.unconsumed_tail)
    if name == "deflate":
        return _deflate()
    return None


def _deflate() -> Decoder:
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

    return Decoder(decode, lambda: state[0].unconsumed_tail)
