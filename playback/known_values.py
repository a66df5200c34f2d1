"""Recorded values whose live counterpart is known, found in texts however many there are.

A value counts where it stands alone: no letter or digit before it or behind it. Of two that begin at one place the longer
counts. One pattern of them all would be compiled anew with each value that is learnt, which makes long replays slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["KnownValues"]

_BEGINNING = re.compile(r"(?<![A-Za-z0-9]).", re.DOTALL)
_HEAD = 3
"""Characters by which most places are seen to hold none."""


class KnownValues(dict[str, str]):
    """Recorded value to live value. Values come one by one, by assignment or `setdefault`; none ever goes."""

    def __init__(self) -> None:
        super().__init__()
        self._heads: set[str] = set()
        self._lengths: list[int] = []
        """Of all values, the longest first."""

    def __setitem__(self, recorded: str, live: str) -> None:
        super().__setitem__(recorded, live)
        self._heads.add(recorded[:_HEAD])
        if len(recorded) not in self._lengths:
            self._lengths = sorted([*self._lengths, len(recorded)], reverse=True)

    def setdefault(self, recorded: str, live: str = "") -> str:
        """As of any dictionary."""
        if recorded not in self:
            self[recorded] = live
        return self[recorded]

    def copy(self) -> KnownValues:
        """The same values, to go on from."""
        other = KnownValues()
        other.update(self)
        other._heads, other._lengths = set(self._heads), self._lengths
        return other

    def places(self, text: str) -> Iterator[tuple[int, int]]:
        """Beginning and end of every value in `text`, in order; none overlaps the one before."""
        end = 0
        short = self._lengths[-1] < _HEAD if self._lengths else False
        for beginning in _BEGINNING.finditer(text):
            start = beginning.start()
            if start < end or not (short or text[start : start + _HEAD] in self._heads):
                continue
            for length in self._lengths:
                if (
                    start + length <= len(text)
                    and text[start : start + length] in self
                    and not _goes_on(text, start + length)
                ):
                    end = start + length
                    yield start, end
                    break


def _goes_on(text: str, end: int) -> bool:
    return end < len(text) and text[end].isascii() and text[end].isalnum()
