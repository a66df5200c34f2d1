"""Land use: a table of cover and practice factors by class, and which class each cell belongs to.

The example ships no land cover map, so a cell's class follows from its slope: flat ground is cropped, gentle ground
grazed, steep ground wooded.
"""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass

import numpy as np
from hydrology import Grid
from numpy.typing import NDArray

CROPLAND, PASTURE, FOREST = 82, 81, 41  # National Land Cover Database
STEEPEST_CROPLAND, STEEPEST_PASTURE = 0.05, 0.15  # rise over run
COLUMNS = ("class", "description", "c_factor", "p_factor")


class LanduseError(ValueError):
    """A land use table that cannot be used; the message names the line and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Cover:
    """One class: `c_factor` (cover management) and `p_factor` (support practice) have no dimension, 0 to 1."""

    description: str
    c_factor: float
    p_factor: float


def parse_table(text: str) -> dict[int, Cover]:
    """Read a CSV with the columns `class, description, c_factor, p_factor`. Raises LanduseError."""
    rows = csv.DictReader(io.StringIO(text))
    if absent := [column for column in COLUMNS if column not in (rows.fieldnames or ())]:
        raise LanduseError(f"the table has no column {', '.join(absent)}; it needs {', '.join(COLUMNS)}")
    table = {}
    for row in rows:
        try:
            number, c_factor, p_factor = int(row["class"]), float(row["c_factor"]), float(row["p_factor"])
        except (TypeError, ValueError):
            raise LanduseError(f"line {rows.line_num}: class, c_factor and p_factor have to be numbers") from None
        if not (0 <= c_factor <= 1 and 0 <= p_factor <= 1):
            raise LanduseError(f"line {rows.line_num}: c_factor and p_factor lie between 0 and 1")
        table[number] = Cover(row["description"], c_factor, p_factor)
    if absent := [str(number) for number in (CROPLAND, PASTURE, FOREST) if number not in table]:
        raise LanduseError(f"the table has no row for class {', '.join(absent)}")
    return table


def to_json(table: dict[int, Cover]) -> dict[str, dict[str, str | float]]:
    return {str(number): asdict(cover) for number, cover in table.items()}


def from_json(table: dict[str, dict[str, str | float]]) -> dict[int, Cover]:
    return {int(number): Cover(**cover) for number, cover in table.items()}  # type: ignore[arg-type]


def classify(gradient: Grid) -> NDArray[np.uint8]:
    """Return the class of each cell from its slope (rise over run); 0 where there is no value."""
    return np.select(
        [gradient <= STEEPEST_CROPLAND, gradient <= STEEPEST_PASTURE, gradient > STEEPEST_PASTURE],
        [CROPLAND, PASTURE, FOREST],
        default=0,
    ).astype(np.uint8)
