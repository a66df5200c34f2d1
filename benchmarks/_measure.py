"""What every benchmark needs: rounds that take turns, and a table on stdout."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence

__all__ = ["Limits", "Table", "in_turn", "loaded", "percentile", "timed"]


def timed(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """How long `work()` took, in seconds; by `time.process_time` what else the machine does counts little."""
    began = clock()
    work()
    return clock() - began


def in_turn(
    contestants: Sequence[Callable[[], float]],
    rounds: int,
    pick: Callable[[Sequence[float]], float] = statistics.median,
) -> list[float]:
    """What `pick` makes of each contestant's figures. They take turns, so that what slows the machine slows them all.

    For short work of one process `min` is the truest: everything else that runs only adds to it.
    """
    figures: list[list[float]] = [[] for _ in contestants]
    for number in range(rounds):
        order = range(len(contestants))
        for index in order if number % 2 == 0 else reversed(order):
            figures[index].append(contestants[index]())
    return [pick(found) for found in figures]


def loaded() -> str:
    """The machine and how busy it is: figures taken under another load are other figures."""
    busy = " ".join(f"{figure:.1f}" for figure in os.getloadavg())
    return f"Python {platform.python_version()}, {os.cpu_count()} processors, load {busy}"


def percentile(figures: Sequence[float], share: float) -> float:
    """The smallest figure that `share` (0 to 1) of all do not exceed."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Table:
    """Rows that appear as soon as they are known: what was measured, bare, with us, and the ratio."""

    def __init__(self, title: str, bare: str, ours: str) -> None:
        print(f"\n{title}\n{'':<46}{bare:>16}{ours:>16}{'ratio':>8}  ", flush=True)

    def row(self, what: str, bare: float | None, ours: float, unit: str, note: str = "") -> None:
        """One line. The ratio is ours by bare; for rates (a unit with `/s`), too: 0.9 is a tenth slower."""
        first = "" if bare is None else f"{bare:,.{_places(bare)}f} {unit}"
        ratio = "" if not bare else f"{ours / bare:.2f}"
        print(f"{what:<46}{first:>16}{f'{ours:,.{_places(ours)}f} {unit}':>16}{ratio:>8}  {note}".rstrip(), flush=True)


class Limits:
    """What has to be reached, told beside each row that is judged; `missed` names the rows that are short."""

    def __init__(self) -> None:
        self.missed: list[str] = []

    def most(self, what: str, figure: float, must: float, aim: float | None = None) -> None:
        """A figure that must not be larger."""
        self._judge(what, figure <= must, f"≤ {must:g}", None if aim is None else (figure <= aim, f"≤ {aim:g}"))

    def least(self, what: str, figure: float, must: float, aim: float | None = None) -> None:
        """A figure that must not be smaller."""
        self._judge(what, figure >= must, f"≥ {must:g}", None if aim is None else (figure >= aim, f"≥ {aim:g}"))

    def _judge(self, what: str, reached: bool, must: str, aim: tuple[bool, str] | None) -> None:
        told = f"must reach {must}: {'reached' if reached else 'SHORT'}"
        if aim is not None:
            told += f"; aim {aim[1]}: {'reached' if aim[0] else 'short'}"
        print(f"{'':<6}{told}", flush=True)
        if not reached:
            self.missed.append(what)


def _places(figure: float) -> int:
    return 0 if abs(figure) >= 100 else 1 if abs(figure) >= 10 else 2
