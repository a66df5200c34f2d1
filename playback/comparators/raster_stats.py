"""`raster_stats`: the same grid, and the same cells or the same statistics within a tolerance.

    params:
      tolerance:
        mean: 0.05    # absolute, in the unit of the band; likewise max, min and std
        cells: 0.01   # how many cells may differ: below 1 a fraction of the band, from 1 on a count

Size, number of bands, data types, geotransform, CRS, nodata, scales and offsets must always be equal.

Without a tolerance every cell must be equal, and so every statistic is: one changed cell fails.

With a tolerance only the statistics that it lists are judged: a mean that may move by 0.05 and cells that may not move
exclude each other. The others, and how many cells differ, are reported. Which cells are masked (nodata, NaN, a mask
band) must not change even then, unless `cells` is listed, which counts such cells with the others.

What lies under a mask is not compared. Statistics are those of unmasked cells, `std` is that of the population, and
complex bands are measured by their modulus.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import rasterio
from pydantic import Field, field_validator, model_validator

from .band_tally import BandTally
from .comparison import Comparator, Comparison, Differences, counted, table
from .numeric import deviation, same_number
from .params import TOLERANCE, Params, Tolerance
from .raster_cells import open_raster, read_cells, windows
from .raster_picture import draw

_CACHE = 64  # MiB of decoded blocks that GDAL may keep
_STATISTICS = ("mean", "max", "min", "std")


class RasterTolerance(Params):
    """The statistics to judge, and how far each may be off."""

    mean: Tolerance | None = Field(default=None, description=TOLERANCE)
    max: Tolerance | None = Field(default=None, description=TOLERANCE)
    min: Tolerance | None = Field(default=None, description=TOLERANCE)
    std: Tolerance | None = Field(default=None, description=TOLERANCE)
    cells: Tolerance | None = Field(default=None, description="a fraction below 1 or a whole number of cells")

    @field_validator("cells")
    @classmethod
    def _fraction_or_count(cls, cells: float | None) -> float | None:
        if cells is not None and cells > 1 and not cells.is_integer():
            raise ValueError
        return cells

    @model_validator(mode="after")
    def _judges_something(self) -> RasterTolerance:
        if not self.model_dump(exclude_none=True):
            raise ValueError
        return self


class RasterParams(Params):
    """What may differ."""

    tolerance: RasterTolerance | None = Field(
        default=None, description="a mapping with at least one of mean, max, min, std, cells"
    )


def _judge(expected: Path, actual: Path, params: RasterParams, artifacts: Path | None) -> Comparison:
    with rasterio.Env(GDAL_CACHEMAX=_CACHE), open_raster(expected) as left, open_raster(actual) as right:
        grid = Differences()
        for name, (before, after) in _grids(left, right).items():
            if before != after:
                grid.add(name, str(before), str(after))
        if grid.count:
            return grid.judge("")
        tallies = _tally(left, right)
        failures = {band: words for band, tally in tallies.items() if (words := _failure(tally, params.tolerance))}
        details = _report(tallies, params.tolerance)
        if not failures:
            return Comparison("passed", _agreement(tallies), details)
        band = max(failures, key=lambda failed: tallies[failed].differing)
        pictures = []
        if artifacts:
            pictures.append(artifacts / f"{actual.name}.band{band}.png")
            draw(left, right, band, pictures[0])
    others = f" ({len(failures)} of {len(tallies)} bands fail)" if len(failures) > 1 else ""
    return Comparison("failed", f"Band {band}: {failures[band]}{others}.", details, pictures)


def _grids(left: Any, right: Any) -> dict[str, tuple[Any, Any]]:
    """What must be equal whatever the tolerance, on both sides."""
    return {
        "size": tuple(f"{raster.height:,} rows of {raster.width:,} columns" for raster in (left, right)),
        "number of bands": (left.count, right.count),
        "data types": (left.dtypes, right.dtypes),
        "geotransform": (left.transform.to_gdal(), right.transform.to_gdal()),
        "CRS": (left.crs, right.crs),
        "nodata": (str(left.nodatavals), str(right.nodatavals)),  # as text, in which NaN equals NaN
        "scales": (left.scales, right.scales),
        "offsets": (left.offsets, right.offsets),
    }


def _tally(left: Any, right: Any) -> dict[int, BandTally]:
    tallies = {band: BandTally() for band in left.indexes}
    for window in windows(left):
        for band, tally in tallies.items():
            cells = read_cells(left, band, window), read_cells(right, band, window)
            tally.add(*cells, window.row_off, window.col_off)
    return tallies


def _failure(tally: BandTally, tolerance: RasterTolerance | None) -> str:
    """What is wrong with a band; empty when nothing is."""
    if tolerance is None:
        return str(tally) if tally.differing else ""
    worst = (-1.0, "")
    for name in _STATISTICS:
        limit = getattr(tolerance, name)
        before, after = getattr(tally.expected, name), getattr(tally.actual, name)
        if limit is not None and not same_number(before, after, limit):
            apart = deviation(before, after)
            excess = apart / limit if limit else math.inf
            words = f"{name} may be {limit} off and is {apart:.6g} off: expected {before}, actual {after}"
            worst = max(worst, (excess, words))
    if worst[1]:
        return f"{worst[1]}; {tally}"
    if tolerance.cells is None:
        mask = f"the mask changed in {counted(tally.mask_changes, 'cell')}; {tally}"
        return mask if tally.mask_changes else ""
    allowed = tolerance.cells * tally.cells if tolerance.cells < 1 else tolerance.cells
    return str(tally) if tally.differing > allowed else ""


def _report(tallies: dict[int, BandTally], tolerance: RasterTolerance | None) -> list[str]:
    rows = [("band", "statistic", "expected", "actual", "tolerance")]
    for band, tally in tallies.items():
        for name in _STATISTICS:
            before, after = getattr(tally.expected, name), getattr(tally.actual, name)
            limit = getattr(tolerance, name, None)
            unlisted = "cells equal" if tolerance is None else "not judged"
            rows.append((str(band), name, str(before), str(after), unlisted if limit is None else str(limit)))
    return [*table(rows), *(f"band {band}: {tally}" for band, tally in tallies.items())]


def _agreement(tallies: dict[int, BandTally]) -> str:
    differing = sum(tally.differing for tally in tallies.values())
    cells = counted(sum(tally.cells for tally in tallies.values()), "cell")
    bands = counted(len(tallies), "band")
    if not differing:
        return f"No difference in {cells} of {bands}."
    return f"The judged statistics of {bands} are within tolerance; unequal cells: {differing:,} of {cells}."


COMPARATOR = Comparator(RasterParams, _judge)
