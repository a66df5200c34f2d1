"""Single-band GeoTIFFs: a grid of values with its place on the ground."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians
from pathlib import Path

import numpy as np
import rasterio
from hydrology import CellSize, Grid
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.transform import Affine

NODATA = -9999.0
SMALLEST, LARGEST = 3, 2000  # cells along one side


class RasterError(ValueError):
    """A file that is not a grid this application can use; the message says why."""


@dataclass(frozen=True, slots=True)
class Raster:
    """Values (NaN where there is none) from north to south, with their transform and reference system."""

    values: Grid
    transform: Affine
    crs: CRS

    @property
    def cell_size(self) -> CellSize:
        """West-east and north-south size of a cell in metres; for degrees, that at the middle of the grid."""
        width, height = self.transform.a, -self.transform.e
        if not self.crs.is_geographic:
            metres = self.crs.linear_units_factor[1]
            return width * metres, height * metres
        middle = self.transform.f + self.transform.e * self.values.shape[0] / 2
        east, north = metres_per_degree(middle)
        return width * east, height * north


def read_raster(path: Path) -> Raster:
    """Read the one band of a GeoTIFF. Raises RasterError when it is no north-up GeoTIFF of bearable size."""
    try:
        with rasterio.open(path, driver="GTiff") as source:
            _check(source)
            values = source.read(1, masked=True).astype(np.float64).filled(np.nan)
            return Raster(values, source.transform, source.crs)
    except rasterio.errors.RasterioError as error:
        raise RasterError("not a readable GeoTIFF") from error


def write_raster(path: Path, values: NDArray[np.generic], like: Raster, dtype: str = "float32") -> None:
    """Write a compressed GeoTIFF that lies where `like` lies. NaN becomes the nodata value -9999."""
    height, width = values.shape
    fraction = np.issubdtype(np.dtype(dtype), np.floating)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=width,
        height=height,
        count=1,
        dtype=dtype,
        crs=like.crs,
        transform=like.transform,
        nodata=NODATA if fraction else None,
        compress="deflate",
    ) as target:
        target.write((np.nan_to_num(values, nan=NODATA) if fraction else values).astype(dtype), 1)


def metres_per_degree(latitude: float) -> tuple[float, float]:
    """Return the length in metres of one degree of longitude and one of latitude at `latitude` (degrees, WGS 84).

    Source: the series of the US National Geospatial-Intelligence Agency, Length of a degree of latitude and longitude.
    """
    angle = radians(latitude)
    east = 111412.84 * cos(angle) - 93.5 * cos(3 * angle) + 0.118 * cos(5 * angle)
    north = 111132.92 - 559.82 * cos(2 * angle) + 1.175 * cos(4 * angle) - 0.0023 * cos(6 * angle)
    return east, north


def _check(source: rasterio.DatasetReader) -> None:
    if source.count != 1:
        raise RasterError(f"a DEM has one band, this file has {source.count}")
    if source.crs is None or not (source.crs.is_geographic or source.crs.is_projected):
        raise RasterError("the file names no coordinate reference system")
    if not (source.transform.is_rectilinear and source.transform.a > 0 > source.transform.e):
        raise RasterError("the grid has to be north-up")
    if not (SMALLEST <= source.width <= LARGEST and SMALLEST <= source.height <= LARGEST):
        raise RasterError(f"{source.width} × {source.height} cells; each side may have {SMALLEST} to {LARGEST}")
