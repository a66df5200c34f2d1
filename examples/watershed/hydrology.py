"""Soil loss on a grid of elevations: RUSLE over D8 flow accumulation. Plain numpy: no files, no jobs.

    elevation ─▶ fill_depressions ─▶ flow_receivers ─▶ flow_accumulation ─┐
        └──────▶ slope_gradient ──────────────────────────────────────────┴▶ ls_factor ─▶ soil_loss

Grids are float64 with rows from north to south; NaN marks cells without a value. Elevations and distances are in
metres; `cell_size` is (west-east, north-south). Flow grids hold flat indexes: `receivers[cell]` is the cell that `cell`
drains into, itself where water leaves the grid, and -1 where there is no value.
"""

from __future__ import annotations

import heapq
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Grid: TypeAlias = NDArray[np.float64]
Cells: TypeAlias = NDArray[np.int64]
CellSize: TypeAlias = tuple[float, float]

LS_EXPONENT = 0.4
SLOPE_EXPONENT = 1.3
UNIT_PLOT_LENGTH = 22.13  # metres
UNIT_PLOT_SINE = 0.0896  # sine of the 9 % slope of the unit plot

# Fills rise by this much (metres) a cell towards their outlet, so that filled ground still drains.
FILL_GRADIENT = 1e-5

NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


def slope_gradient(elevation: Grid, cell_size: CellSize) -> Grid:
    """Return the slope (rise over run, dimensionless) by weighted differences over a 3 × 3 window.

    Outside the grid, and on cells without a value, a neighbour takes the elevation of the centre cell.

    Source: Horn (1981), Hill shading and the reflectance map, Proceedings of the IEEE 69(1), 14-47.
    """
    north_west, north, north_east, west, east, south_west, south, south_east = (
        np.where(np.isnan(around), elevation, around) for around in _around(elevation)
    )
    width, height = cell_size
    eastward = ((north_east + 2 * east + south_east) - (north_west + 2 * west + south_west)) / (8 * width)
    southward = ((south_west + 2 * south + south_east) - (north_west + 2 * north + north_east)) / (8 * height)
    return np.hypot(eastward, southward)


def fill_depressions(elevation: Grid) -> Grid:
    """Return the surface on which every cell drains to the edge of the grid, raised as little as possible.

    Source: Barnes, Lehman and Mulla (2014), Priority-flood: an optimal depression-filling and watershed-labeling
    algorithm for digital elevation models, Computers & Geosciences 62, 117-127 (the variant with an epsilon).
    """
    framed = np.pad(elevation, 1, constant_values=np.nan)
    row = framed.shape[1]
    steps = [down * row + right for down, right in NEIGHBOURS]
    valued = ~np.isnan(framed.ravel())
    inside = np.flatnonzero(valued)
    at_edge = inside[~np.all([valued[inside + step] for step in steps], axis=0)]

    # Lists, not arrays: a loop that visits single cells is several times faster over them.
    level: list[float] = framed.ravel().tolist()
    reached: list[bool] = (~valued).tolist()
    open_cells = [(level[cell], cell) for cell in at_edge.tolist()]
    for _, cell in open_cells:
        reached[cell] = True
    heapq.heapify(open_cells)
    while open_cells:
        lowest, cell = heapq.heappop(open_cells)
        for step in steps:
            neighbour = cell + step
            if not reached[neighbour]:
                reached[neighbour] = True
                level[neighbour] = max(level[neighbour], lowest + FILL_GRADIENT)
                heapq.heappush(open_cells, (level[neighbour], neighbour))
    return np.array(level).reshape(framed.shape)[1:-1, 1:-1]


def flow_receivers(filled: Grid, cell_size: CellSize) -> Cells:
    """Return for each cell the neighbour of steepest descent (D8), as a flat index.

    Source: O'Callaghan and Mark (1984), The extraction of drainage networks from digital elevation data,
    Computer Vision, Graphics, and Image Processing 28(3), 323-344.
    """
    height, width = filled.shape
    own = np.arange(filled.size, dtype=np.int64).reshape(height, width)
    receivers = np.where(np.isnan(filled), -1, own)
    steepest = np.zeros_like(filled)
    for (down, right), around in zip(NEIGHBOURS, _around(filled), strict=True):
        descent = (filled - around) / np.hypot(right * cell_size[0], down * cell_size[1])
        steeper = descent > steepest  # False wherever either cell has no value
        steepest[steeper] = descent[steeper]
        receivers[steeper] = own[steeper] + down * width + right
    return receivers


def flow_accumulation(filled: Grid, receivers: Cells) -> Cells:
    """Return how many cells drain through each cell, itself included (0 where there is no value).

    Cells are visited from the highest to the lowest, so each is complete before it is passed on.
    """
    accumulated = (receivers >= 0).astype(np.int64).ravel().tolist()
    downstream = receivers.ravel().tolist()
    for cell in downhill_order(filled):
        receiver = downstream[cell]
        if receiver != cell:
            accumulated[receiver] += accumulated[cell]
    return np.array(accumulated, dtype=np.int64).reshape(receivers.shape)


def downhill_order(filled: Grid) -> list[int]:
    """Return the flat indexes of all cells with a value, highest first; equal cells keep their order."""
    order = np.argsort(-filled, axis=None, kind="stable")  # NaN sorts last
    downhill: list[int] = order[: np.count_nonzero(~np.isnan(filled))].tolist()
    return downhill


def ls_factor(accumulation: Cells, gradient: Grid, cell_size: CellSize, longest: float) -> Grid:
    """Return the slope length and steepness factor LS (dimensionless) from the contributing area.

    LS = (m + 1) · (As / 22.13)^m · (sin β / 0.0896)^n, where As is the upslope area per width of contour (m²/m), here
    at most `longest` metres: sheet and rill erosion gives way to channels beyond a slope length of about 300 m.

    Sources: Moore and Wilson (1992), Length-slope factors for the Revised Universal Soil Loss Equation: simplified
    method of estimation, Journal of Soil and Water Conservation 47(5), 423-428; Renard and others (1997), Predicting
    Soil Erosion by Water, USDA Agriculture Handbook 703, for the limit of slope length.
    """
    width, height = cell_size
    specific_area = np.minimum(accumulation * width * height / np.sqrt(width * height), longest)
    sine = np.sin(np.arctan(gradient))
    length = (LS_EXPONENT + 1) * (specific_area / UNIT_PLOT_LENGTH) ** LS_EXPONENT
    return length * (sine / UNIT_PLOT_SINE) ** SLOPE_EXPONENT


def soil_loss(erosivity: float, erodibility: float, ls: Grid, cover: Grid, practice: Grid) -> Grid:
    """Return the mean yearly soil loss A = R · K · LS · C · P, in t / (ha yr).

    R (`erosivity`) is in MJ mm / (ha h yr), K (`erodibility`) in t ha h / (ha MJ mm); LS, C and P have no dimension.

    Source: Wischmeier and Smith (1978), Predicting Rainfall Erosion Losses, USDA Agriculture Handbook 537; Renard and
    others (1997), Predicting Soil Erosion by Water, USDA Agriculture Handbook 703.
    """
    return erosivity * erodibility * ls * cover * practice


def _around(grid: Grid) -> list[Grid]:
    """Return the grid as seen from each of the `NEIGHBOURS`: NaN outside."""
    height, width = grid.shape
    framed = np.pad(grid, 1, constant_values=np.nan)
    return [framed[1 + down : 1 + down + height, 1 + right : 1 + right + width] for down, right in NEIGHBOURS]
