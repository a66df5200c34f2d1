"""Text in bodies that do not say that they are text: in UTF-16 or UTF-32, compressed, or of a type that nobody knows."""

from __future__ import annotations

from recorder.codings import CodingError, decoder

__all__ = ["encoding_of", "text_of"]

_MOST = 1 << 20  # bytes that are looked at


def encoding_of(content: bytes) -> str:
    """Return the encoding that a text's first bytes tell of: UTF-8, or by zeros or a byte order mark another Unicode one."""
    import json  # which knows how to tell (RFC 4627, 3), and is not needed otherwise

    return json.detect_encoding(content)


def text_of(content: bytes, encoding: str | None) -> str | None:
    """Return the text that content holds, undone its Content-Encoding; None where it holds none."""
    if encoding is not None:
        undo = decoder(encoding)
        try:
            content = b"".join(undo.all_of(content, _MOST)) if undo is not None else b"\0"
        except CodingError:
            return None
    try:
        text = content.decode(encoding_of(content) if b"\0" in content[:4] else "utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
