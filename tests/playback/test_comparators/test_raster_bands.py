"""`raster_stats` with limits by band, the cells that it lists, and a real elevation model."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from playback.comparators import compare
from tests.playback.rasters import BASE, changed, pixels
from tests.support import ROOT


class TestBands:
    """Cell 9,9 of the second of two equal bands holds 99 and is 100 too large."""

    BOTH = np.concatenate([BASE, BASE])

    @pytest.mark.parametrize(
        ("tolerance", "result"),
        [
            ({"max": 100}, "passed"),
            ({"max": 1, "bands": {2: {"max": 100}}}, "passed"),
            ({"max": 1, "bands": {"2": {"max": 100}}}, "passed"),  # a key as JSON has it
            ({"max": 1, "bands": {1: {"max": 100}}}, "failed"),
            ({"max": 100, "bands": {2: {"max": 1}}}, "failed"),
            ({"max": 1, "bands": {2: {"min": 1}}}, "failed"),  # only what is listed is replaced
            ({"bands": {2: {"max": 100}}}, "passed"),  # the cells of band 1 must be equal, and are
            ({"bands": {1: {"max": 100}}}, "failed"),
            ({"max": {"relative": 1.02}}, "passed"),
            ({"max": {"relative": 1.01}}, "failed"),
            ({"max": {"relative": 0.1, "absolute": 100}}, "passed"),
        ],
    )
    def test_a_band_may_have_limits_of_its_own(self, judge_cells, tolerance, result):
        actual = changed(((1, 9, 9), 199), base=self.BOTH)
        assert judge_cells(actual, self.BOTH, tolerance=tolerance).result == result

    def test_a_band_that_is_not_there_is_named(self, judge_cells):
        outcome = judge_cells(BASE, tolerance={"bands": {3: {"mean": 1}}})
        assert outcome.result == "failed"
        assert (
            outcome.summary == "Param 'tolerance.bands' names band 3, which the file does not have; valid are 1 to 1."
        )


class TestWorstCells:
    def test_they_are_listed_by_band_row_and_column(self, judge_cells):
        base = np.concatenate([BASE, BASE])
        cells = ((0, 1, 1), 12), ((1, 9, 2), 900), ((1, 3, 4), np.nan)
        outcome = judge_cells(changed(*cells, base=base), base)
        assert [line.split() for line in outcome.details[-4:]] == [
            ["band", "row", "column", "expected", "actual", "difference"],
            ["2", "3", "4", "34.0", "nan", "inf"],
            ["2", "9", "2", "92.0", "900.0", "808"],
            ["1", "1", "1", "11.0", "12.0", "1"],
        ]

    def test_of_many_equal_ones_the_first_twenty(self, judge_cells):
        outcome = judge_cells(np.where(BASE > 40, BASE + 1, BASE))
        listed = [line.split() for line in outcome.details[-20:]]
        assert [int(row) * 10 + int(column) for _, row, column, *_ in listed] == list(range(41, 61))


def test_a_real_elevation_model(pair, tmp_path):
    """The DEM that the sample application computes with: compressed, with a CRS, of one band."""
    left, right = pair("dem.tif")
    source = ROOT / "examples" / "watershed" / "data" / "jacksboro_dem.tif"
    left.write_bytes(source.read_bytes())
    with rasterio.open(source) as raster:
        profile, band = raster.profile, raster.read()
    with rasterio.open(right, "w", **profile | {"compress": "lzw"}) as raster:
        raster.write(band)
    assert compare("raster_stats", left, right, {}).result == "passed"
    band[0, 100, 50] += 1
    with rasterio.open(right, "w", **profile) as raster:
        raster.write(band)
    outcome = compare("raster_stats", left, right, {}, tmp_path / "pictures")
    assert f"1 of {band.size:,} cells differs, at row 100, column 50 (from 0)" in outcome.summary
    assert (pixels(outcome.pictures[0]) == (200, 0, 0)).all(axis=-1).sum() >= 1
