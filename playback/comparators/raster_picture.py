"""A picture of a band that differs: expected, actual and difference, side by side."""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .raster_cells import difference, read_cells, windows

_LARGEST = 512  # pixels along the longer side of a panel; larger rasters are thinned out
_SMALLEST = 128  # smaller ones are enlarged
_MASKED = (222, 230, 240)
_EQUAL = (255, 255, 255)
_MASK_CHANGED = (30, 60, 220)
_GAP = 4  # pixels between panels

_Pixels = NDArray[np.uint8]


def draw(expected: Any, actual: Any, band: int, path: Path) -> None:
    """Write a PNG of `band` of two rasters of one size to `path`, whose folder is created.

    Expected and actual share one grey scale, black lowest. Differences are red, the darker the larger, and blue where
    a cell is masked or NaN on one side only. In a thinned picture a pixel shows the largest difference under it, so no
    differing cell is lost.
    """
    step = math.ceil(max(expected.shape) / _LARGEST)
    shape = (math.ceil(expected.height / step), math.ceil(expected.width / step))
    greys = _grey([raster.read(band, out_shape=shape, masked=True) for raster in (expected, actual)])
    panels = [*greys, _red(_largest_differences(expected, actual, band, step, shape))]
    zoom = max(1, _SMALLEST // max(shape))
    enlarged = [panel.repeat(zoom, axis=0).repeat(zoom, axis=1) for panel in panels]
    gap = np.full((enlarged[0].shape[0], _GAP, 3), 128, np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_png(np.concatenate([enlarged[0], gap, enlarged[1], gap, enlarged[2]], axis=1)))


def _largest_differences(
    expected: Any, actual: Any, band: int, step: int, shape: tuple[int, int]
) -> NDArray[np.float64]:
    largest = np.zeros(shape)
    for window in windows(expected):
        apart = difference(read_cells(expected, band, window), read_cells(actual, band, window))
        rows, columns = np.nonzero(apart)
        at = ((rows + window.row_off) // step, (columns + window.col_off) // step)
        np.maximum.at(largest, at, apart[rows, columns])
    return largest


def _grey(bands: list[Any]) -> list[_Pixels]:
    values = [np.abs(band.data).astype(float) if np.iscomplexobj(band) else band.data.astype(float) for band in bands]
    shown = [np.isfinite(v) & ~np.ma.getmaskarray(band) for v, band in zip(values, bands, strict=True)]
    seen = np.concatenate([v[s] for v, s in zip(values, shown, strict=True)])
    low, high = (seen.min(), seen.max()) if seen.size else (0.0, 0.0)
    panels = []
    for v, s in zip(values, shown, strict=True):
        panel = np.full((*v.shape, 3), _MASKED, np.uint8)
        with np.errstate(all="ignore"):  # a range beyond that of a double is drawn badly, not refused
            share = np.nan_to_num((v[s] - low) / ((high - low) or 1.0))
        panel[s] = (255 * share).astype(np.uint8)[:, np.newaxis]
        panels.append(panel)
    return panels


def _red(apart: NDArray[np.float64]) -> _Pixels:
    measured = (apart > 0) & np.isfinite(apart)
    share = apart[measured] / apart[measured].max(initial=0.0) if measured.any() else apart[measured]
    panel = np.full((*apart.shape, 3), _EQUAL, np.uint8)
    panel[measured] = np.stack([255 - 55 * share, 190 * (1 - share), 190 * (1 - share)], axis=-1).astype(np.uint8)
    panel[np.isinf(apart)] = _MASK_CHANGED
    return panel


def _png(pixels: _Pixels) -> bytes:
    """`pixels` as PNG (W3C, Portable Network Graphics, third edition): 8-bit RGB, no filter."""
    height, width, _ = pixels.shape

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    lines = np.pad(pixels.reshape(height, width * 3), ((0, 0), (1, 0)))  # each line begins with its filter, 0
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(lines.tobytes())
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
