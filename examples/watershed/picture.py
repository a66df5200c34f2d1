"""A map for people: soil loss in colour over shaded relief."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import rasterio
from hydrology import Grid
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

# Soil loss in t / (ha yr), and the colour it is shown in; between them colours are mixed.
LOSSES = (0.0, 1.0, 5.0, 20.0, 100.0)
COLOURS = ((232, 240, 224), (196, 214, 160), (245, 208, 111), (217, 112, 62), (122, 28, 28))
WATER = (58, 110, 165)
STEEP = 0.25  # change between neighbouring cells, in standard deviations of the elevation, that is fully lit or dark


def write_picture(path: Path, elevation: Grid, loss: Grid, channels: NDArray[np.bool_]) -> None:
    """Write a PNG with one pixel a cell."""
    colours = np.stack([np.interp(loss, LOSSES, channel) for channel in zip(*COLOURS, strict=True)])
    colours[:, channels] = np.array(WATER)[:, None]
    pixels = np.nan_to_num(colours * _relief(elevation), nan=255.0)
    height, width = elevation.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a picture has no place on the ground
        with rasterio.open(path, "w", driver="PNG", width=width, height=height, count=3, dtype="uint8") as picture:
            picture.write(np.clip(pixels, 0, 255).astype(np.uint8))


def _relief(elevation: Grid) -> Grid:
    """Return the brightness of each cell, 0.65 to 1.15, as lit from the north-west."""
    southward, eastward = np.gradient(elevation)
    rise = (southward + eastward) / (np.nanstd(elevation) or 1.0)
    return 0.9 + np.clip(rise / STEEP, -1, 1) * 0.25
