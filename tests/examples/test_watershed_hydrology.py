"""The computation, against grids small enough to check by hand."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

Import = Callable[[str], ModuleType]
NAN = np.nan


@pytest.fixture
def hydrology(watershed_module: Import) -> ModuleType:
    return watershed_module("hydrology")


def grid(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float64)


def test_slope_of_a_plane_is_its_gradient(hydrology: ModuleType) -> None:
    south, east = np.mgrid[0:5, 0:5]
    plane = 0.3 * east * 10 + 0.4 * south * 20  # 0.3 eastward and 0.4 southward on cells of 10 m by 20 m
    inner = hydrology.slope_gradient(plane, (10.0, 20.0))[1:-1, 1:-1]
    assert inner == pytest.approx(np.full((3, 3), 0.5))


def test_slope_beside_a_hole_is_a_number(hydrology: ModuleType) -> None:
    slope = hydrology.slope_gradient(grid([5, 5, 5], [5, 5, NAN], [5, 5, 5]), (1.0, 1.0))
    assert slope[:, :2] == pytest.approx(np.zeros((3, 2)))


def test_fill_raises_a_pit_to_just_above_its_outlet(hydrology: ModuleType) -> None:
    pit = grid([9, 9, 9, 9], [9, 2, 3, 9], [9, 9, 9, 6], [9, 9, 9, 9])  # spills over the 6 at the eastern edge
    filled = hydrology.fill_depressions(pit)
    step = hydrology.FILL_GRADIENT
    assert filled[1, 2] == pytest.approx(6 + step, abs=step / 10)  # diagonal neighbour of the 6
    assert filled[1, 1] == pytest.approx(6 + 2 * step, abs=step / 10)
    untouched = np.ones_like(pit, dtype=bool)
    untouched[1, 1:3] = False
    assert (filled[untouched] == pit[untouched]).all()


def test_fill_drains_into_a_hole_in_the_data(hydrology: ModuleType) -> None:
    around_hole = grid([9, 9, 9, 9, 9], [9, 4, 4, 4, 9], [9, 4, NAN, 4, 9], [9, 4, 4, 4, 9], [9, 9, 9, 9, 9])
    assert np.array_equal(hydrology.fill_depressions(around_hole), around_hole, equal_nan=True)


def test_water_takes_the_steepest_way_not_the_lowest_neighbour(hydrology: ModuleType) -> None:
    # From the centre (10): 3.0 down over 1.0 m to the east, 4.0 down over 1.41 m to the south-east.
    receivers = hydrology.flow_receivers(grid([20, 20, 20], [20, 10, 7], [20, 20, 6]), (1.0, 1.0))
    assert receivers[1, 1] == 5
    # With cells 3 m wide it is 1.0 a metre eastward and 1.26 a metre south-eastward.
    receivers = hydrology.flow_receivers(grid([20, 20, 20], [20, 10, 7], [20, 20, 6]), (3.0, 1.0))
    assert receivers[1, 1] == 8


def test_accumulation_counts_every_cell_once(hydrology: ModuleType) -> None:
    valley = grid([9, 5, 9], [8, 4, 8], [7, 3, 7])
    receivers = hydrology.flow_receivers(valley, (1.0, 1.0))
    accumulation = hydrology.flow_accumulation(valley, receivers)
    assert accumulation.tolist() == [[1, 3, 1], [1, 6, 1], [1, 9, 1]]


def test_cells_without_a_value_take_no_part(hydrology: ModuleType) -> None:
    ramp = grid([3, 2, 1, NAN, 1])
    receivers = hydrology.flow_receivers(ramp, (1.0, 1.0))
    assert receivers.tolist() == [[1, 2, 2, -1, 4]]
    assert hydrology.flow_accumulation(ramp, receivers).tolist() == [[1, 2, 3, 0, 1]]


def test_ls_of_the_unit_plot(hydrology: ModuleType) -> None:
    cell = (22.13, 22.13)
    gradient = np.full((1, 3), np.tan(np.arcsin(0.0896)))
    ls = hydrology.ls_factor(np.array([[1, 2, 50]]), gradient, cell, longest=300.0)
    # As / 22.13 is 1, 2 and, cut off at 300 m, 13.556; 1.4 · 2^0.4 = 1.8474; 1.4 · 13.556^0.4 = 3.9718
    assert ls[0] == pytest.approx([1.4, 1.8474, 3.9718], abs=1e-4)


def test_ls_grows_with_the_sine_of_the_slope(hydrology: ModuleType) -> None:
    gradient = np.tan(np.arcsin(grid([0.0, 0.0448, 0.1792])))
    ls = hydrology.ls_factor(np.ones((1, 3), dtype=np.int64), gradient, (22.13, 22.13), longest=300.0)
    # 1.4 · 0, 1.4 · 0.5^1.3 and 1.4 · 2^1.3
    assert ls[0] == pytest.approx([0.0, 0.56858, 3.44721], abs=1e-4)


def test_soil_loss_is_the_product_of_the_factors(hydrology: ModuleType) -> None:
    loss = hydrology.soil_loss(3800.0, 0.04, grid([1.4, 1.4]), grid([0.2, NAN]), grid([0.6, 1.0]))
    assert loss[0, 0] == pytest.approx(3800 * 0.04 * 1.4 * 0.2 * 0.6)
    assert np.isnan(loss[0, 1])


def test_hillslopes_end_at_junctions(hydrology: ModuleType, watershed_module: Import) -> None:
    hillslopes = watershed_module("hillslopes")
    # Two channels come from the north, join in the middle and leave to the south.
    fork = grid([5, 9, 5], [9, 4, 9], [9, 3, 9])
    receivers = hydrology.flow_receivers(fork, (1.0, 1.0))
    channels = np.array([[True, False, True], [False, True, False], [False, True, False]])
    labels = hillslopes.label_hillslopes(fork, receivers, channels)
    stem, west, east = labels[2, 1], labels[0, 0], labels[0, 2]
    assert sorted([stem, west, east]) == [1, 2, 3]
    assert labels.tolist() == [[west, stem, east], [stem, stem, stem], [stem, stem, stem]]


def test_ground_that_leaves_before_any_channel_has_no_hillslope(
    hydrology: ModuleType, watershed_module: Import
) -> None:
    hillslopes = watershed_module("hillslopes")
    ridge = grid([1, 2, 9, 2, 1])
    receivers = hydrology.flow_receivers(ridge, (1.0, 1.0))
    channels = np.array([[True, False, False, False, False]])
    assert hillslopes.label_hillslopes(ridge, receivers, channels).tolist() == [[1, 1, 1, 0, 0]]


def test_channels_start_where_enough_area_has_gathered(watershed_module: Import) -> None:
    cells = watershed_module("hillslopes").channel_cells(np.array([[1, 4, 5]]), cell_area=100.0, source_area=500.0)
    assert cells.tolist() == [[False, False, True]]


def test_land_use_follows_from_slope(watershed_module: Import) -> None:
    landuse = watershed_module("landuse")
    assert landuse.classify(grid([0.05, 0.10, 0.16, NAN])).tolist() == [[82, 81, 41, 0]]


def test_land_use_table_goes_through_json_unchanged(watershed_module: Import) -> None:
    landuse = watershed_module("landuse")
    table = landuse.parse_table("class,description,c_factor,p_factor\n82,Crops,.2,.6\n81,Grass,.02,1\n41,Wood,.003,1\n")
    assert table[82] == landuse.Cover("Crops", 0.2, 0.6)
    assert landuse.from_json(landuse.to_json(table)) == table


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("class,c_factor\n82,0.2\n", "no column description, p_factor"),
        ("class,description,c_factor,p_factor\n82,Crops,much,1\n", "line 2: class, c_factor and p_factor"),
        ("class,description,c_factor,p_factor\n82,Crops,1.2,1\n", "line 2: c_factor and p_factor lie between 0 and 1"),
        ("class,description,c_factor,p_factor\n82,Crops,0.2,1\n", "no row for class 81, 41"),
        ("", "no column class"),
    ],
)
def test_land_use_table_refused(watershed_module: Import, text: str, says: str) -> None:
    landuse = watershed_module("landuse")
    with pytest.raises(landuse.LanduseError, match=says):
        landuse.parse_table(text)


@pytest.mark.parametrize(
    ("latitude", "east", "north"),
    [(0.0, 111_319.5, 110_574.3), (45.0, 78_846.8, 111_131.7), (60.0, 55_800.0, 111_412.2)],
)
def test_length_of_a_degree(watershed_module: Import, latitude: float, east: float, north: float) -> None:
    assert watershed_module("rasters").metres_per_degree(latitude) == pytest.approx((east, north), abs=3.0)
