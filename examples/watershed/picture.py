"""A map for people: soil loss in colour over shaded relief."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import rasterio
from hydrology import CellSize, Grid
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

# Soil loss in t / (ha yr), and the colour it is shown in; between them colours are mixed.
LOSSES = (0.0, 1.0, 5.0, 20.0, 100.0, 500.0)
COLOURS = ((232, 240, 224), (208, 228, 172), (244, 208, 110), (224, 122, 62), (158, 42, 38), (82, 16, 44))
WATER = (46, 104, 168)

NARROWEST = 480  # pixels: the cells of a smaller grid are drawn several pixels wide
EXAGGERATION = 1.6  # of heights, for the shading alone
DARKEST, LIGHTEST = 0.55, 1.15  # how bright ground is that lies in the shade, and that faces the light
TONES = 8  # between two values of a colour that are used: few of them make a small file


def write_picture(path: Path, elevation: Grid, loss: Grid, channels: NDArray[np.bool_], cell_size: CellSize) -> None:
    """Write a PNG; what has no value is white."""
    times = -(-NARROWEST // elevation.shape[1])
    colours = np.stack([np.interp(loss, LOSSES, channel) for channel in zip(*COLOURS, strict=True)])
    colours[:, channels] = np.array(WATER)[:, None]
    colours = colours.repeat(times, axis=1).repeat(times, axis=2)
    width, height = cell_size
    pixels = np.nan_to_num(colours * _relief(_finer(elevation, times), (width / times, height / times)), nan=255.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a picture has no place on the ground
        _, rows, columns = pixels.shape
        with rasterio.open(path, "w", driver="PNG", width=columns, height=rows, count=3, dtype="uint8") as picture:
            picture.write(np.clip(np.round(pixels / TONES) * TONES, 0, 255).astype(np.uint8))


def _relief(elevation: Grid, cell_size: CellSize) -> Grid:
    """Return the brightness of each cell in the light of a sun that stands in the north-west, halfway up the sky."""
    width, height = cell_size
    southward, eastward = np.gradient(elevation * EXAGGERATION, height, width)
    light = ((southward + eastward) / 2 + np.sqrt(0.5)) / np.sqrt(1 + southward**2 + eastward**2)
    return DARKEST + (LIGHTEST - DARKEST) * np.clip(light, 0, 1)


def _finer(grid: Grid, times: int) -> Grid:
    """Return the grid with each cell divided into `times` × `times`, and values between those of its neighbours."""
    for _ in range(2):
        length = grid.shape[1]
        between = (np.arange(length * times) + 0.5) / times - 0.5
        grid = np.array([np.interp(between, np.arange(length), row) for row in grid]).T
    return grid
