"""`raster_stats`: the same grid, and the same cells or the same statistics within a tolerance.

    params:
      tolerance:
        mean: 0.05             # absolute, in the unit of the band; likewise max, min and std
        max: {relative: 0.01}  # or a fraction of the expected value; with `absolute` too, within either is enough
        cells: 0.01            # how many cells may differ: below 1 a fraction of the band, from 1 on a count
        bands:
          2: {mean: 0.5}       # what is listed for a band (from 1) is in place of what is said for all

Size, number of bands, data types, geotransform, CRS, nodata, scales and offsets must always be equal.

Without a tolerance every cell must be equal, and so every statistic is: one changed cell fails.

With a tolerance only the statistics that it lists are judged: a mean that may move by 0.05 and cells that may not move
exclude each other. The others, and how many cells differ, are reported. Which cells are masked (nodata, NaN, a mask
band) must not change even then, unless `cells` is listed, which counts such cells with the others.

What lies under a mask is not compared. Statistics are those of unmasked cells, `std` is that of the population, and
complex bands are measured by their modulus. A failure lists the cells that are farthest off and draws a picture of the
band: expected, actual, difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import rasterio
from pydantic import BeforeValidator, Field, field_validator, model_validator

from .band_tally import BandTally
from .comparison import SHOWN, Comparator, Comparison, Differences, counted, table
from .numeric import deviation, parse_number
from .params import Params
from .raster_cells import open_raster, read_cells, windows
from .raster_picture import draw
from .tolerances import LIMIT, Limit, OneLimit

_CACHE = 64  # MiB of decoded blocks that GDAL may keep
_STATISTICS = ("mean", "max", "min", "std")


def _number(given: object) -> object:
    """What YAML 1.1 reads as text (1e3 without a point, the key "2") as the number that is meant."""
    number = parse_number(given) if isinstance(given, str) else None
    return given if number is None else number


class BandTolerance(Params):
    """The statistics to judge, and how far each may be off."""

    mean: OneLimit | None = Field(default=None, description=LIMIT)
    max: OneLimit | None = Field(default=None, description=LIMIT)
    min: OneLimit | None = Field(default=None, description=LIMIT)
    std: OneLimit | None = Field(default=None, description=LIMIT)
    cells: Annotated[float, Field(ge=0, allow_inf_nan=False), BeforeValidator(_number)] | None = Field(
        default=None, description="a fraction below 1 or a whole number of cells"
    )

    @field_validator("cells")
    @classmethod
    def _fraction_or_count(cls, cells: float | None) -> float | None:
        if cells is not None and cells > 1 and not cells.is_integer():
            raise ValueError
        return cells

    @model_validator(mode="after")
    def _judges_something(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError
        return self

    def limit(self, statistic: str) -> Limit | None:
        """How far `statistic` may be off; None when it is not judged."""
        given: float | Limit | None = getattr(self, statistic)
        return given if given is None or isinstance(given, Limit) else Limit(absolute=given)


class RasterTolerance(BandTolerance):
    """The same for all bands, and for single ones."""

    bands: dict[Annotated[int, Field(ge=1), BeforeValidator(_number)], BandTolerance] | None = Field(
        default=None, description="a mapping of mean, max, min, std, cells by the number of the band, from 1"
    )

    def of(self, band: int) -> BandTolerance | None:
        """What holds for `band`; None when nothing is said of it, so that its cells must be equal."""
        listed = (self.bands or {}).get(band)
        merged = {name: getattr(self, name) for name in BandTolerance.model_fields}
        merged |= {name: getattr(listed, name) for name in listed.model_fields_set} if listed else {}
        said = any(limit is not None for limit in merged.values())
        return BandTolerance.model_construct(**merged) if said else None


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
        if misnamed := _misnamed(params.tolerance, left.indexes):
            return Comparison("failed", misnamed)
        limits = {band: params.tolerance.of(band) if params.tolerance else None for band in left.indexes}
        tallies = _tally(left, right)
        failures = {band: words for band, tally in tallies.items() if (words := _failure(tally, limits[band]))}
        details = _report(tallies, limits)
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


def _misnamed(tolerance: RasterTolerance | None, bands: Sequence[int]) -> str:
    """A sentence about a band that is not there; empty when all are."""
    for band in (tolerance.bands or {}) if tolerance else {}:
        if band not in bands:
            return (
                f"Param 'tolerance.bands' names band {band}, which the file does not have; valid are 1 to {len(bands)}."
            )
    return ""


def _tally(left: Any, right: Any) -> dict[int, BandTally]:
    tallies = {band: BandTally() for band in left.indexes}
    for window in windows(left):
        for band, tally in tallies.items():
            cells = read_cells(left, band, window), read_cells(right, band, window)
            tally.add(*cells, window.row_off, window.col_off)
    return tallies


def _failure(tally: BandTally, tolerance: BandTolerance | None) -> str:
    """What is wrong with a band; empty when nothing is."""
    if tolerance is None:
        return str(tally) if tally.differing else ""
    worst = (-1.0, "")
    for name in _STATISTICS:
        limit = tolerance.limit(name)
        before, after = getattr(tally.expected, name), getattr(tally.actual, name)
        if limit is not None and not limit.allows(before, after):
            apart = deviation(before, after)
            excess = limit.excess(apart, before)
            words = f"{name} may be {limit} off and is {apart:.6g} off: expected {before}, actual {after}"
            worst = max(worst, (excess, words))
    if worst[1]:
        return f"{worst[1]}; {tally}"
    if tolerance.cells is None:
        mask = f"the mask changed in {counted(tally.mask_changes, 'cell')}; {tally}"
        return mask if tally.mask_changes else ""
    allowed = tolerance.cells * tally.cells if tolerance.cells < 1 else tolerance.cells
    return str(tally) if tally.differing > allowed else ""


def _report(tallies: dict[int, BandTally], limits: Mapping[int, BandTolerance | None]) -> list[str]:
    """The statistics of all bands, how many cells differ, and the worst of those."""
    rows = [("band", "statistic", "expected", "actual", "tolerance")]
    for band, tally in tallies.items():
        tolerance = limits[band]
        for name in _STATISTICS:
            before, after = getattr(tally.expected, name), getattr(tally.actual, name)
            limit = tolerance.limit(name) if tolerance else None
            unlisted = "cells equal" if tolerance is None else "not judged"
            rows.append((str(band), name, str(before), str(after), unlisted if limit is None else str(limit)))
    lines = [*table(rows), *(f"band {band}: {tally}" for band, tally in tallies.items())]
    worst = sorted((-cell.apart, band, cell) for band, tally in tallies.items() for cell in tally.worst)[:SHOWN]
    if not worst:
        return lines
    shown = [
        (f"{band}", f"{cell.row}", f"{cell.column}", cell.expected, cell.actual, f"{cell.apart:.6g}")
        for _, band, cell in worst
    ]
    return [*lines, *table([("band", "row", "column", "expected", "actual", "difference"), *shown])]


def _agreement(tallies: dict[int, BandTally]) -> str:
    differing = sum(tally.differing for tally in tallies.values())
    cells = counted(sum(tally.cells for tally in tallies.values()), "cell")
    bands = counted(len(tallies), "band")
    if not differing:
        return f"No difference in {cells} of {bands}."
    return f"The judged statistics of {bands} are within tolerance; unequal cells: {differing:,} of {cells}."


COMPARATOR = Comparator(RasterParams, _judge)
