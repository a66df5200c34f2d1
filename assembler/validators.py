"""Entity tags and times of change that a client gives back: it holds what an answer to the same address gave (RFC 9110, 13.1).

Static files of one checkout share their time of change, so a value alone does not tell whose it is; the address does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from assembler.extractors import Answer

__all__ = ["CONDITIONAL", "Validators"]

CONDITIONAL = frozenset({"if-match", "if-none-match", "if-modified-since", "if-unmodified-since"})
"""Request headers that give one back."""


class Validators:
    """Which answers gave which validator, by their address."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], list[int]] = defaultdict(list)

    def add(self, number: int, path: str, answer: Answer) -> None:
        """Note what the answer to exchange `number` gave."""
        for name, value in answer.headers:
            if name in ("etag", "last-modified"):
                self._given[path, value].append(number)

    def given(self, path: str, value: str) -> Iterator[int]:
        """The exchanges with that address whose answers gave `value`, the latest first."""
        return reversed(self._given.get((path, value), []))
