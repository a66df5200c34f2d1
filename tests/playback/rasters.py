"""Small GeoTIFFs to compare, and the pixels of a picture."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import rasterio

NODATA = -9999.0
NORTH_UP = rasterio.Affine(30, 0, 500_000, 0, -30, 4_000_000)
BASE = np.arange(100, dtype="float32").reshape(1, 10, 10)
BASE[0, 0, 0] = NODATA
BASE[0, 0, 1] = np.nan


def write(path: Path, cells: np.ndarray, **profile: object) -> None:
    """A GeoTIFF of `cells` (bands, rows, columns)."""
    count, height, width = cells.shape
    defaults = {
        "crs": "EPSG:32611",
        "transform": NORTH_UP,
        "nodata": NODATA if cells.dtype.kind == "f" else None,
    }
    profile = {"dtype": cells.dtype, **defaults, **profile}
    with rasterio.open(path, "w", driver="GTiff", count=count, height=height, width=width, **profile) as raster:
        raster.write(cells)


def changed(*cells: tuple[tuple[int, int, int], float], base: np.ndarray = BASE) -> np.ndarray:
    """A copy of `base` with other values at some (band, row, column)."""
    copy = base.copy()
    for at, value in cells:
        copy[at] = value
    return copy


def pixels(path: Path) -> np.ndarray:
    """The PNG at `path` as rows, columns, RGB; read by GDAL, which checks every chunk."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path) as picture:
            return np.moveaxis(picture.read(), 0, -1)
