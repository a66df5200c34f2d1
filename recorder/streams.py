"""Redaction of a text too large for memory."""

from __future__ import annotations

from recorder.marks import Redaction, located, merged, replaced
from recorder.media import Kind
from recorder.redaction import Redactor
from recorder.tables import secret_columns

__all__ = ["EndlessSecretError", "StreamRedactor"]


class EndlessSecretError(Exception):
    """There is more of a secret than can be waited for: its end is too far away, or it is a column of a long table."""


class StreamRedactor:
    """Redacts a text too large for memory, window by window; pointers are character offsets in the stored text."""

    WINDOW = 1 << 18
    CONTEXT = 1 << 13  # what a name may be away from its value, and the longest value that may lie across windows

    def __init__(self, redactor: Redactor, kind: Kind) -> None:
        self._redactor = redactor
        self._kind: Kind = "text" if kind in ("json", "form", "unknown") else kind
        self._form = kind == "form"
        self._buffer = ""
        self._done = 0  # characters of the buffer that have been given out
        self._written = 0
        self.redactions: list[Redaction] = []

    def feed(self, text: str) -> str:
        """Take a piece of text and return what can be written now. Raises EndlessSecretError."""
        self._buffer += text
        if len(self._buffer) - self._done < self.WINDOW:
            return ""
        return self._give(len(self._buffer) - self.CONTEXT)

    def close(self) -> str:
        """Return the rest."""
        return self._give(len(self._buffer))

    def _give(self, end: int) -> str:
        text = "&" + self._buffer if self._form else self._buffer
        if not self._written and end < len(text) and self._kind == "text" and secret_columns(text, self._redactor.kind):
            raise EndlessSecretError  # only the first window has the names
        scanned = self._redactor.scan(text, self._kind)
        shift = len(text) - len(self._buffer)
        marks = scanned.marks + self._redactor.known_marks(text)
        marks = [mark._replace(start=mark.start - shift, end=mark.end - shift) for mark in merged(marks)]
        marks = [mark for mark in marks if mark.start >= self._done]
        across = [mark for mark in marks if mark.start < end < mark.end]
        if any(mark.end - mark.start > self.CONTEXT for mark in across):
            raise EndlessSecretError  # to wait for more would keep all of it in memory
        end = min((mark.start for mark in across), default=end)
        marks = [mark for mark in marks if mark.end <= end]
        self.redactions += located(marks, shift=self._written - self._done)
        result = replaced(self._buffer[:end], marks, self._done)
        self._written += len(result)
        kept = max(0, end - self.CONTEXT)
        self._buffer = self._buffer[kept:]
        self._done = end - kept
        return result
