"""Long lists in pages, so that the first screen of two thousand is as quick as that of twenty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Page", "number_of"]

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some of the items; pages count from 1."""

    items: Sequence[T]
    number: int
    of: int
    total: int
    first: int
    """Which of all the first one is, from 1; 0 where there is none."""

    @property
    def last(self) -> int:
        return self.first + len(self.items) - 1 if self.items else 0

    @classmethod
    def of_all(cls, items: Sequence[T], number: int, size: int = 50) -> Page[T]:
        """Page `number` of `items`; the nearest where there is no such page."""
        of = max(1, -(-len(items) // size))
        number = min(max(1, number), of)
        start = (number - 1) * size
        return cls(items[start : start + size], number, of, len(items), start + 1 if items else 0)

    @property
    def around(self) -> list[int]:
        """The pages that are worth a link: the first, the last, and those beside this one; 0 stands for a gap."""
        wanted = sorted({1, self.of, *range(max(1, self.number - 1), min(self.of, self.number + 1) + 1)})
        shown: list[int] = []
        for page in wanted:
            if shown and page - shown[-1] > 1:
                shown.append(0)
            shown.append(page)
        return shown


def number_of(text: str | None) -> int:
    """A page's number in a query; 1 for what is none."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 8 else 1
