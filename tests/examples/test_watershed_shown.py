"""What the page of a run shows of a computation: its map, the scale of it, its jobs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import rasterio

from tests.examples.watershed_site import Browser

Import = Callable[[str], ModuleType]
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def painted(picture: ModuleType, path: Path, elevation: np.ndarray, loss: np.ndarray) -> np.ndarray:
    picture.write_picture(path, elevation, loss, np.zeros(elevation.shape, dtype=bool), (30.0, 30.0))
    with rasterio.open(path) as map_:
        return map_.read().astype(int)


def test_the_map_is_lit_from_the_north_west(watershed_module: Import, tmp_path: Path) -> None:
    south, east = np.mgrid[0:120, 0:480]
    hill = -20 * np.hypot(south - 60, east - 240)
    drawn = painted(watershed_module("picture"), tmp_path / "map.png", hill, np.full(hill.shape, 5.0)).sum(axis=0)
    assert drawn.shape == hill.shape
    assert drawn[30, 210] > drawn[30, 270] > drawn[90, 270]
    assert drawn[90, 210] == pytest.approx(drawn[30, 270], rel=0.05)


def test_the_map_shows_more_loss_darker_and_no_value_white(watershed_module: Import, tmp_path: Path) -> None:
    loss = np.array([[0.0, 1.0, 5.0, 20.0, 100.0, 500.0, 9000.0, np.nan]]).repeat(4, axis=0)
    drawn = painted(watershed_module("picture"), tmp_path / "map.png", np.zeros(loss.shape), loss)
    row = drawn[:, 120, 30::60].sum(axis=0).tolist()  # each of the eight cells is sixty pixels wide
    assert drawn.shape == (3, 240, 480)
    assert row[:6] == sorted(set(row[:6]), reverse=True)
    assert row[5:] == [row[5], row[5], 3 * 255]


@pytest.mark.parametrize(
    ("columns", "cell", "length", "percent"),
    [(403, 75.0, "5 km", 16.54), (120, 75.0, "2 km", 22.22), (60, 30.0, "500 m", 27.78), (3, 1.0, "1 m", 33.33)],
)
def test_the_scale_has_a_round_length(
    watershed_module: Import, columns: int, cell: float, length: str, percent: float
) -> None:
    scale = watershed_module("shown").scale({"columns": columns, "cell_width_m": cell})
    assert (scale.length, scale.percent) == (length, percent)


def test_a_run_that_was_never_computed_says_so(browser: Browser) -> None:
    shown = browser.http.get(browser.create()).text
    assert shown.count('data-status="not yet"') == 6
    assert 'data-status="idle"' in shown
    assert "<img" not in shown
    assert "/recorder/" not in shown, "the recorder is off here"
