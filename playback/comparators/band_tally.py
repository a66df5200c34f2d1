"""What is known of a band after the windows seen so far: statistics on both sides, and the cells that differ."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .comparison import SHOWN, counted
from .raster_cells import Cells, difference


class Statistics:
    """Mean, max, min and standard deviation of the values added so far; NaN while there are none.

    Parts are merged as in Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances" (1979): stable where a sum of squares is not.
    """

    def __init__(self) -> None:
        self.mean = self.max = self.min = math.nan
        self._count = 0
        self._squares = 0.0  # sum of squared distances from the mean

    @property
    def std(self) -> float:
        """Standard deviation of the population."""
        return math.sqrt(self._squares / self._count) if self._count else math.nan

    def add(self, values: NDArray[Any]) -> None:
        """Take in `values`, none of them NaN."""
        if not values.size:
            return
        real = np.abs(values) if np.iscomplexobj(values) else values
        low, high = real.min().item(), real.max().item()
        self.min = min(self.min, low) if self._count else low
        self.max = max(self.max, high) if self._count else high
        with np.errstate(all="ignore"):  # infinite cells have no variance, and say so by NaN
            mean = real.mean(dtype=np.float64).item()
            squares = np.square(real - mean, dtype=np.float64).sum().item()
        if not self._count:
            self.mean, self._squares, self._count = mean, squares, real.size
            return
        total = self._count + real.size
        apart = mean - self.mean
        self._squares += squares + apart * apart * self._count * real.size / total
        self.mean += apart * real.size / total
        self._count = total


class CellDifference(NamedTuple):
    """A cell that differs: how much (infinite where one side is masked or NaN), where, and what both sides hold."""

    apart: float
    row: int  # from 0, of the raster
    column: int
    expected: str
    actual: str

    def __str__(self) -> str:
        return f"row {self.row}, column {self.column} (from 0): expected {self.expected}, actual {self.actual}"


class BandTally:
    """One band on both sides."""

    def __init__(self) -> None:
        self.expected = Statistics()
        self.actual = Statistics()
        self.cells = 0
        self.differing = 0
        self.mask_changes = 0  # of the differing ones: masked or NaN on one side only
        self.worst: list[CellDifference] = []  # the largest differences, among equals the first of the raster

    def add(self, expected: Cells, actual: Cells, top: int, left: int) -> None:
        """Take in a window whose first cell is at row `top`, column `left` of the raster."""
        self.expected.add(expected.values[expected.valid])
        self.actual.add(actual.values[actual.valid])
        apart = difference(expected, actual)
        self.cells += apart.size
        self.differing += int(np.count_nonzero(apart))
        self.mask_changes += int(np.count_nonzero(expected.valid != actual.valid))
        found = [
            CellDifference(
                apart[row, column].item(),
                int(top + row),
                int(left + column),
                _shown(expected, row, column),
                _shown(actual, row, column),
            )
            for row, column in zip(*np.unravel_index(_largest(apart.ravel()), apart.shape), strict=True)
        ]
        ranked = sorted([*self.worst, *found], key=lambda cell: (-cell.apart, cell.row, cell.column))
        self.worst = ranked[:SHOWN]

    def __str__(self) -> str:
        if not self.differing:
            return f"no difference in {counted(self.cells, 'cell')}"
        one = self.differing == 1
        verb = "differs, at" if one else "differ, the worst at"
        return f"{self.differing:,} of {counted(self.cells, 'cell')} {verb} {self.worst[0]}"


def _largest(apart: NDArray[np.float64]) -> NDArray[np.intp]:
    """Where the `SHOWN` largest of `apart` are that are not zero; among equals the first ones."""
    if not apart.any():
        return np.array([], dtype=np.intp)
    last = np.partition(apart, -SHOWN)[-SHOWN] if apart.size > SHOWN else 0.0
    larger = np.flatnonzero(apart > last)[:SHOWN]
    equal = np.flatnonzero((apart == last) & (apart > 0))
    return np.concatenate([larger, equal[: SHOWN - larger.size]])


def _shown(cells: Cells, row: np.intp, column: np.intp) -> str:
    return "nodata" if cells.masked[row, column] else str(cells.values[row, column])
