"""Reading rasters window by window, so that memory stays bounded, and the difference of two windows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from .comparison import reading

WINDOW_CELLS = 1 << 20
_WINDOW_SIDE = 1024  # cells; what is gained by larger windows is lost in the processor's cache

# Formats that hold their cells themselves. Left to itself GDAL would follow a VRT, whatever the file is called, to
# other files and to the network.
_DRIVERS = ["GTiff", "AAIGrid", "HFA", "PNG", "JPEG", "JP2OpenJPEG", "netCDF", "EHdr", "ENVI"]


@dataclass(frozen=True)
class Cells:
    """A window of one band. A cell is masked (nodata, a mask or alpha band), NaN, or valid."""

    values: NDArray[Any]
    masked: NDArray[np.bool_]
    nan: NDArray[np.bool_]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Where a value counts."""
        return ~(self.masked | self.nan)


def open_raster(path: Path) -> Any:
    """The rasterio dataset at `path`. Raises Unreadable."""
    with reading(path, "a raster", RasterioError), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # plain pictures are compared too
        return DatasetReader(path, driver=_DRIVERS)  # rasterio.open takes no list, whatever its documentation says


def read_cells(raster: Any, band: int, window: Window) -> Cells:
    """The cells of `band` (from 1) in `window`. Raises Unreadable where the file is cut off or corrupt."""
    with reading(Path(raster.name), "a raster", RasterioError):
        values = raster.read(band, window=window)
        masked = raster.read_masks(band, window=window) == 0
    return Cells(values, masked, np.isnan(values) & ~masked)


def windows(raster: Any) -> Iterator[Window]:
    """Windows that cover `raster`, of at most `WINDOW_CELLS` cells, along its own blocks where those are not huge."""
    block_height, block_width = raster.block_shapes[0]
    width = min(raster.width, max(block_width, _WINDOW_SIDE // block_width * block_width), WINDOW_CELLS)
    rows = WINDOW_CELLS // width
    height = rows // block_height * block_height or rows
    for top in range(0, raster.height, height):
        for left in range(0, raster.width, width):
            yield Window(left, top, min(width, raster.width - left), min(height, raster.height - top))


def difference(expected: Cells, actual: Cells) -> NDArray[np.float64]:
    """How far apart each cell is: 0 where equal, infinite where it is masked or NaN on one side only."""
    valid = expected.valid & actual.valid
    wide = np.complex128 if np.iscomplexobj(expected.values) else np.float64  # unsigned subtraction would wrap
    with np.errstate(all="ignore"):
        apart = np.abs(actual.values.astype(wide) - expected.values.astype(wide))
    # Unequal 64-bit integers may be the same double; they differ all the same.
    apart = np.where(valid & (expected.values != actual.values), np.maximum(apart, np.finfo(np.float64).tiny), 0.0)
    apart[(expected.masked != actual.masked) | (expected.nan != actual.nan)] = np.inf
    return apart
