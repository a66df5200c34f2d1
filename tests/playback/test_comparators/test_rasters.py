"""`raster_stats`, on GeoTIFFs that rasterio writes."""

from __future__ import annotations

import math
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from playback.comparators import compare, default_method, raster_cells
from playback.comparators.band_tally import Statistics
from tests.playback.rasters import BASE, NODATA, changed, pixels, write


def test_equal_cells_pass_and_draw_nothing(judge_cells, tmp_path):
    outcome = judge_cells(BASE)
    assert (outcome.result, outcome.summary) == ("passed", "No difference in 100 cells of 1 band.")
    assert not outcome.pictures
    assert not (tmp_path / "artifacts").exists()


def test_how_a_raster_is_stored_does_not_count(judge_cells):
    assert judge_cells(BASE, profile={"compress": "deflate", "predictor": 3}).result == "passed"
    assert judge_cells(BASE, profile={"tiled": True, "blockxsize": 16, "blockysize": 16}).result == "passed"


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (np.nextafter(np.float32(55), np.float32(56)), "expected 55.0, actual 55.000004"),
        (-55, "expected 55.0, actual -55.0"),
        (np.inf, "expected 55.0, actual inf"),
        (np.nan, "expected 55.0, actual nan"),
        (NODATA, "expected 55.0, actual nodata"),
    ],
)
def test_one_changed_cell_fails_and_is_named(judge_cells, cell, words):
    outcome = judge_cells(changed(((0, 5, 5), cell)))
    assert outcome.result == "failed"
    assert outcome.summary == f"Band 1: 1 of 100 cells differs, at row 5, column 5 (from 0): {words}."


@pytest.mark.parametrize(
    ("at", "cell", "words"),
    [
        ((0, 0, 0), 0, "expected nodata, actual 0.0"),
        ((0, 0, 0), np.nan, "expected nodata, actual nan"),
        ((0, 0, 1), 1, "expected nan, actual 1.0"),
        ((0, 0, 1), NODATA, "expected nan, actual nodata"),
    ],
)
def test_a_changed_mask_fails(judge_cells, at, cell, words):
    assert words in judge_cells(changed((at, cell))).summary


def test_the_worst_cell_is_named(judge_cells):
    outcome = judge_cells(changed(((0, 1, 1), 12), ((0, 9, 2), 900), ((0, 5, 5), 56)))
    assert (
        "3 of 100 cells differ, the worst at row 9, column 2 (from 0): expected 92.0, actual 900.0" in outcome.summary
    )


def test_unsigned_cells_are_subtracted_without_wrapping(pair):
    base = np.full((1, 4, 4), 10, dtype="uint8")
    left, right = pair("small.tif")
    write(left, base)
    write(right, changed(((0, 0, 0), 8), ((0, 1, 1), 15), base=base))
    assert (
        "the worst at row 1, column 1 (from 0): expected 10, actual 15"
        in compare("raster_stats", left, right, {}).summary
    )


def test_what_lies_under_a_mask_is_not_compared(pair):
    left, right = pair("masked.tif")
    mask = np.full((10, 10), 255, "uint8")
    mask[5, 5] = 0
    for path, cell in ((left, 0), (right, np.nan)):
        write(path, changed(((0, 5, 5), cell)), nodata=None)
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as raster:
            raster.write_mask(mask)
    assert compare("raster_stats", left, right, {}).result == "passed"
    with rasterio.open(right, "r+") as raster:
        raster.write_mask(np.full_like(mask, 255))
    assert "expected nodata, actual nan" in compare("raster_stats", left, right, {}).summary


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "uint32", "uint64", "int64", "float64", "complex64"])
def test_one_changed_cell_fails_in_every_data_type(pair, dtype):
    base = np.arange(100).astype(dtype).reshape(1, 10, 10)
    left, right = pair("typed.tif")
    write(left, base)
    write(right, base)
    assert compare("raster_stats", left, right, {}).result == "passed"
    write(right, changed(((0, 2, 3), 1), base=base))
    assert "1 of 100 cells differs, at row 2, column 3" in compare("raster_stats", left, right, {}).summary


def test_unequal_integers_of_one_double_differ(pair):
    base = np.full((1, 4, 4), 2**60, dtype="int64")
    left, right = pair("big.tif")
    write(left, base)
    write(right, changed(((0, 1, 1), 2**60 + 1), base=base))
    assert "1 of 16 cells differs, at row 1, column 1" in compare("raster_stats", left, right, {}).summary


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({"crs": "EPSG:32612"}, "at CRS: expected EPSG:32611, actual EPSG:32612"),
        ({"crs": None}, "at CRS: expected EPSG:32611, actual None"),
        (
            {"transform": rasterio.Affine(30, 0, 500_000, 0, -30, 4_000_001)},
            "at geotransform: expected (500000.0, 30.0, 0.0, 4000000.0",
        ),
        ({"nodata": -1.0}, "at nodata: expected (-9999.0,), actual (-1.0,)"),
        ({"nodata": None}, "at nodata: expected (-9999.0,), actual (None,)"),
        ({"dtype": "float64"}, "at data types: expected ('float32',), actual ('float64',)"),
    ],
)
@pytest.mark.parametrize("params", [{}, {"tolerance": {"mean": 1e9, "cells": 1e9}}])
def test_a_changed_grid_fails_whatever_the_tolerance(judge_cells, profile, words, params):
    outcome = judge_cells(BASE, profile=profile, **params)
    assert outcome.result == "failed"
    assert words in outcome.summary


def test_another_size_or_number_of_bands_fails(judge_cells):
    assert "at size: expected 10 rows of 10 columns, actual 10 rows of 9 columns" in judge_cells(BASE[:, :, :9]).summary
    outcome = judge_cells(np.concatenate([BASE, BASE]))
    assert any(line.split() == ["number", "of", "bands", "1", "2", "-"] for line in outcome.details)


def test_a_changed_scale_fails(pair):
    left, right = pair("scaled.tif")
    for path in (left, right):
        write(path, BASE)
    with rasterio.open(right, "r+") as raster:
        raster.scales = (0.1,)
    assert "at scales: expected (1.0,), actual (0.1,)" in compare("raster_stats", left, right, {}).summary


def test_nodata_of_nan_equals_itself(pair):
    left, right = pair("nan.tif")
    for path in (left, right):
        write(path, BASE, nodata=math.nan)
    assert compare("raster_stats", left, right, {}).result == "passed"


def test_a_raster_without_one_valid_cell_equals_itself(pair):
    left, right = pair("nothing.tif")
    for path in (left, right):
        write(path, np.full((1, 3, 3), np.nan, "float32"))
    assert compare("raster_stats", left, right, {}).result == "passed"
    assert compare("raster_stats", left, right, {"tolerance": {"mean": 0}}).result == "passed"


class TestTolerance:
    """Cell 9,9 holds 99, the maximum; the mean of the 98 valid cells moves by a 98th of any change."""

    @pytest.mark.parametrize(
        ("cell", "tolerance", "result"),
        [
            (99.0625, {"mean": 0.05, "max": 0.10}, "passed"),  # the tolerance in the specification's snippet
            (99.25, {"mean": 0.05, "max": 0.10}, "failed"),
            (99.25, {"mean": 0.05}, "passed"),
            (99.25, {"mean": 0.001}, "failed"),
            (99.25, {"max": 0.25}, "passed"),
            (99.25, {"min": 0}, "passed"),
            (99.25, {"std": 0.05}, "passed"),
            (99.25, {"std": 0.001}, "failed"),
            (99.25, {"cells": 1}, "passed"),
            (99.25, {"cells": 0.01}, "passed"),
            (99.25, {"cells": 0.009}, "failed"),
            (99.25, {"cells": 0}, "failed"),
            (99.25, {"cells": 1, "max": 0.1}, "failed"),
        ],
    )
    def test_only_what_is_listed_is_judged(self, judge_cells, cell, tolerance, result):
        assert judge_cells(changed(((0, 9, 9), cell)), tolerance=tolerance).result == result

    def test_the_statistic_that_is_farthest_off_is_named(self, judge_cells):
        outcome = judge_cells(changed(((0, 9, 9), 199)), tolerance={"mean": 1, "max": 0.5, "min": 0})
        assert outcome.summary == (
            "Band 1: max may be 0.5 off and is 100 off: expected 99.0, actual 199.0; "
            "1 of 100 cells differs, at row 9, column 9 (from 0): expected 99.0, actual 199.0."
        )

    def test_how_far_off_is_measured_by_the_tolerance(self, judge_cells):
        outcome = judge_cells(changed(((0, 9, 9), 199)), tolerance={"mean": 0.001, "max": 50})
        assert outcome.summary.startswith("Band 1: mean may be 0.001 off and is ")

    def test_one_cell_is_a_count_and_not_all_cells(self, judge_cells):
        assert judge_cells(changed(((0, 9, 9), 1), ((0, 9, 8), 1)), tolerance={"cells": 1}).result == "failed"

    def test_what_is_not_judged_is_reported(self, judge_cells):
        outcome = judge_cells(changed(((0, 9, 9), 199)), tolerance={"min": 0})
        assert outcome.summary == "The judged statistics of 1 band are within tolerance; unequal cells: 1 of 100 cells."
        assert any("max" in line and "199.0" in line and "not judged" in line for line in outcome.details)

    def test_a_changed_mask_fails_unless_cells_are_counted(self, judge_cells):
        actual = changed(((0, 5, 5), np.nan))
        outcome = judge_cells(actual, tolerance={"mean": 10, "max": 10})
        assert outcome.summary.startswith("Band 1: the mask changed in 1 cell; ")
        assert judge_cells(actual, tolerance={"mean": 10, "cells": 1}).result == "passed"
        assert judge_cells(actual, tolerance={"mean": 10, "cells": 0.001}).result == "failed"

    def test_nan_equals_nan_alone(self, judge_cells):
        nothing = np.full((1, 4, 4), np.nan, "float32")
        some = changed(((0, 0, 0), 1), base=nothing)
        assert judge_cells(some, nothing, tolerance={"mean": 1e9, "cells": 16}).result == "failed"
        assert judge_cells(nothing, some, tolerance={"mean": 1e9, "cells": 16}).result == "failed"

    def test_every_band_is_judged(self, judge_cells):
        base = np.concatenate([BASE, BASE, BASE])
        outcome = judge_cells(changed(((1, 5, 5), 0), ((2, 5, 5), 0), ((2, 6, 6), 0), base=base), base)
        assert outcome.summary.startswith("Band 3: 2 of 100 cells differ")
        assert outcome.summary.endswith(" (2 of 3 bands fail).")
        assert outcome.pictures[0].name == "soil_loss.tif.band3.png"


class TestPicture:
    def test_it_shows_both_sides_and_the_difference(self, judge_cells, tmp_path):
        outcome = judge_cells(changed(((0, 5, 5), 0), ((0, 0, 0), 7)))
        (path,) = outcome.pictures
        assert path == tmp_path / "artifacts" / "soil" / "soil_loss.tif.band1.png"
        picture = pixels(path)
        assert picture.shape == (120, 3 * 120 + 2 * 4, 3)
        expected, actual, difference = picture[:, :120], picture[:, 124:244], picture[:, 248:]
        assert tuple(expected[119, 119]) == (255, 255, 255)
        assert tuple(expected[0, 0]) == tuple(actual[0, 18]) == (222, 230, 240)  # masked
        assert tuple(actual[66, 66]) == (0, 0, 0)
        assert tuple(difference[66, 66]) == (200, 0, 0)
        assert tuple(difference[0, 0]) == (30, 60, 220)
        assert tuple(difference[30, 30]) == (255, 255, 255)

    def test_one_cell_of_a_large_raster_is_not_lost(self, judge_cells):
        base = np.zeros((1, 1500, 1100), dtype="uint8")
        outcome = judge_cells(changed(((0, 1234, 567), 1), base=base), base, tolerance={"max": 0})
        assert outcome.result == "failed"
        picture = pixels(outcome.pictures[0])
        assert picture.shape[0] == 500
        assert np.argwhere((picture == (200, 0, 0)).all(axis=-1)).tolist() == [[411, 2 * (367 + 4) + 189]]

    def test_without_artifacts_none_is_drawn(self, pair):
        left, right = pair("a.tif")
        write(left, BASE)
        write(right, changed(((0, 5, 5), 0)))
        assert compare("raster_stats", left, right, {}).pictures == []
        assert len(list(right.parent.iterdir())) == 1

    @pytest.mark.parametrize("dtype", ["complex64", "float64"])
    def test_odd_cells_are_drawn_too(self, judge_cells, dtype):
        base = np.array(
            [[[0, 1e300 if dtype == "float64" else 3 + 4j], [np.inf, -1e308 if dtype == "float64" else 1]]], dtype
        )
        assert judge_cells(changed(((0, 0, 0), 5), base=base), base).pictures[0].stat().st_size > 0


class TestBrokenFiles:
    @pytest.fixture
    def raster(self, pair) -> tuple[Path, Path]:
        paths = pair("soil.tif")
        cells = np.random.default_rng(1).random((1, 200, 200), dtype="float32")
        for path in paths:
            write(path, cells, compress="deflate")
        return paths

    @pytest.mark.parametrize("kept", [5, 60, 0.5, 0.99])
    def test_a_cut_off_file_fails_on_its_side(self, raster, kept):
        expected, actual = raster
        whole = actual.read_bytes()
        actual.write_bytes(whole[: kept if kept > 1 else int(len(whole) * kept)])
        for left, right, role in ((expected, actual, "actual"), (actual, expected, "expected")):
            outcome = compare("raster_stats", left, right, {})
            assert outcome.result == "failed"
            assert outcome.summary.startswith(f"The {role} file soil.tif cannot be read as a raster: ")
        assert compare("raster_stats", actual, actual, {}).result == "failed"
        assert default_method(actual) == "exact_hash"

    def test_a_file_cut_off_in_its_georeference_fails(self, raster):
        expected, actual = raster
        actual.write_bytes(actual.read_bytes()[:400])
        assert compare("raster_stats", expected, actual, {}).result == "failed"
        assert compare("raster_stats", actual, actual, {}).result == "failed"

    def test_flipped_bytes_fail(self, raster):
        expected, actual = raster
        content = bytearray(actual.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 64] = bytes(64)
        actual.write_bytes(content)
        assert compare("raster_stats", expected, actual, {"tolerance": {"mean": 1e9, "cells": 1e9}}).result == "failed"

    def test_a_raster_that_points_elsewhere_is_refused(self, raster):
        expected, actual = raster
        actual.write_text(
            '<VRTDataset rasterXSize="200" rasterYSize="200"><VRTRasterBand dataType="Float32" band="1"><SimpleSource>'
            f"<SourceFilename>{expected}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
        )
        assert "cannot be read as a raster" in compare("raster_stats", expected, actual, {}).summary


def test_a_plain_picture_needs_no_georeference(pair):
    left, right = pair("map.tif")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in (left, right):
            write(path, BASE, crs=None, transform=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compare("raster_stats", left, right, {}).result == "passed"


def test_the_default_method_of_a_geotiff(tmp_path):
    for name in ("a.tif", "A.TIFF"):
        write(tmp_path / name, BASE)
        assert default_method(tmp_path / name) == "raster_stats"


@pytest.mark.parametrize("stored", [{}, {"tiled": True, "blockxsize": 16, "blockysize": 16}])
def test_many_windows_give_what_one_gives(pair, tmp_path, monkeypatch, stored):
    cells = np.random.default_rng(2).normal(1e6, 1, (2, 70, 50)).astype("float32")
    left, right = pair("soil.tif")
    write(left, cells, **stored)
    write(right, changed(((0, 69, 49), 0), ((0, 68, 40), 1), ((1, 3, 4), NODATA), base=cells), **stored)
    whole = compare("raster_stats", left, right, {}, tmp_path / "whole")
    monkeypatch.setattr(raster_cells, "WINDOW_CELLS", 300)
    monkeypatch.setattr(raster_cells, "_WINDOW_SIDE", 16)
    parts = compare("raster_stats", left, right, {}, tmp_path / "parts")
    assert "2 of 3,500 cells differ, the worst at row 69, column 49" in parts.summary
    assert parts.summary == whole.summary
    assert parts.pictures[0].read_bytes() == whole.pictures[0].read_bytes()


@pytest.mark.parametrize(
    ("size", "block"),
    [((10, 10), (10, 10)), ((3000, 2000), (1, 2000)), ((3000, 2000), (256, 256)), ((5, 9**7), (5, 9**7))],
)
def test_windows_cover_a_raster_once_and_are_bounded(size, block):
    class Raster:
        height, width = size
        block_shapes = (block,)

    found = list(raster_cells.windows(Raster()))
    assert sum(window.width * window.height for window in found) == size[0] * size[1]
    assert max(window.width * window.height for window in found) <= raster_cells.WINDOW_CELLS
    assert len({(window.row_off, window.col_off) for window in found}) == len(found)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_memory_stays_bounded(pair):
    left, right = pair("large.tif")
    for path in (left, right):
        with rasterio.open(
            path, "w", driver="GTiff", count=1, height=6000, width=6000, dtype="float32", sparse_ok=True,
            tiled=True,
        ):  # fmt: skip
            pass
    tracemalloc.start()
    try:
        assert compare("raster_stats", left, right, {}).result == "passed"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6000 * 6000 * 4 / 2


@settings(deadline=None, max_examples=50)
@given(
    hnp.arrays("float32", st.integers(0, 40), elements=st.floats(-1e6, 1e6, width=32)),
    st.lists(st.integers(0, 40), max_size=4),
)
def test_statistics_of_parts_are_those_of_the_whole(values, cuts):
    statistics = Statistics()
    for part in np.split(values, sorted(cuts)):
        statistics.add(part)
    if not values.size:
        assert math.isnan(statistics.mean)
        assert math.isnan(statistics.std)
        return
    wide = values.astype("float64")
    assert (statistics.min, statistics.max) == (wide.min(), wide.max())
    assert statistics.mean == pytest.approx(wide.mean(), rel=1e-9, abs=1e-6)
    assert statistics.std == pytest.approx(wide.std(), rel=1e-6, abs=1e-6)


cells = hnp.arrays("float32", (1, 3, 4), elements=st.sampled_from([0.0, -0.0, 1.0, 2.5, np.nan, np.inf, NODATA]))


@settings(deadline=None, max_examples=50)
@given(cells, cells)
def test_without_tolerance_the_verdict_is_symmetric_and_that_of_the_cells(tmp_path_factory, left, right):
    folder = tmp_path_factory.mktemp("pair")
    one, other = folder / "one.tif", folder / "other.tif"
    write(one, left)
    write(other, right)
    equal = np.array_equal(left, right, equal_nan=True)
    assert (compare("raster_stats", one, other, {}).result == "passed") == equal
    assert (compare("raster_stats", other, one, {}).result == "passed") == equal
    assert compare("raster_stats", one, one, {}).result == "passed"
