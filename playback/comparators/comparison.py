"""What every comparator shares: the outcome it returns, and the way it counts and words differences."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Literal, TypeVar

from .params import Params

ParamsT = TypeVar("ParamsT", bound=Params)

# A report is read by people: this many offenders are listed, the others are counted.
SHOWN = 20


@dataclass(frozen=True)
class Comparison:
    """The outcome of comparing one file with its baseline."""

    result: Literal["passed", "failed"]
    summary: str  # one sentence; names the worst offender: where, expected, actual
    details: list[str] = field(default_factory=list)  # lines for people: a diff excerpt, a table of offenders
    pictures: list[Path] = field(default_factory=list)  # files written for this comparison


@dataclass(frozen=True)
class Comparator(Generic[ParamsT]):
    """A comparison method: its parameters and its judgement.

    `judge(expected, actual, params, artifacts)` gets two regular files and checked params. It may raise `Unreadable`,
    and may write pictures into the folder `artifacts` (create it first) when one is given.
    """

    params: type[ParamsT]
    judge: Callable[[Path, Path, ParamsT, Path | None], Comparison]
    accepts_empty: bool = False  # whether two empty files are equal, or not of this format


class Unreadable(Exception):
    """A file that is not what its comparator reads. `why` completes the sentence "The actual file x.json …"."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why


@contextmanager
def reading(path: Path, noun: str, *faults: type[Exception]) -> Iterator[None]:
    """Turn a library's `faults` into `Unreadable`, so that a broken file is worded in one way."""
    try:
        yield
    except faults as fault:
        reason = fault.__cause__ or fault  # rasterio says "see previous exception"
        words = excerpt(str(reason) or type(reason).__name__, 200)
        raise Unreadable(path, f"cannot be read as {noun}: {words}") from fault


def excerpt(text: str, limit: int = 80) -> str:
    """`text` for a report: at most `limit` characters, and the unprintable ones as escapes.

    Reports are encoded as UTF-8 and shown on terminals; lone surrogates and control characters would break both.
    """
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown)


def counted(number: int, noun: str) -> str:
    """`1 cell`, `2,000 cells`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def shared_start(left: Sequence[object], right: Sequence[object]) -> int:
    """How many items two sequences have in common before they first differ."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((at for at, (ours, theirs) in pairs if ours != theirs), min(len(left), len(right)))


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """`rows` as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


class Differences:
    """Counts every difference and keeps the worst few, so that memory stays bounded."""

    def __init__(self) -> None:
        self.count = 0
        self._worst: list[tuple[float, int, tuple[str, str, str, str]]] = []

    def add(self, where: str, expected: str, actual: str, size: float = math.inf) -> None:
        """Note one difference of `size`; what cannot be measured (a missing key, another word) outranks all numbers."""
        self.count += 1
        if len(self._worst) == SHOWN:
            # Among equals the first found ranks highest: it is the one a reader meets first in the file.
            if size <= self._worst[0][0]:
                return
            heapq.heappop(self._worst)
        apart = f"{size:.6g}" if size < math.inf else "-"
        heapq.heappush(self._worst, (size, -self.count, (excerpt(where), excerpt(expected), excerpt(actual), apart)))

    def judge(self, same: str) -> Comparison:
        """Passed with the sentence `same` when nothing differs, otherwise failed, naming the worst."""
        if not self.count:
            return Comparison("passed", same)
        worst = [words for _, _, words in sorted(self._worst, reverse=True)]
        where, expected, actual, _ = worst[0]
        rank = "" if self.count == 1 else ", the worst"
        details = table([("where", "expected", "actual", "difference"), *worst])
        if self.count > len(worst):
            details.append(f"… and {self.count - len(worst):,} more")
        return Comparison(
            "failed",
            f"{counted(self.count, 'difference')}{rank} at {where}: expected {expected}, actual {actual}.",
            details,
        )
