"""The computation on the files of a run, in the steps that its jobs take. Equal inputs give equal files."""

from __future__ import annotations

import csv
import json
from typing import Any

import hydrology
import landuse
import numpy as np
from hillslopes import channel_cells, label_hillslopes
from hydrology import Grid
from picture import write_picture
from rasters import Raster, read_raster, write_raster
from runs import Run, write_json

HECTARE = 10_000.0  # m²
DIGITS = 4  # after the point, in reports: the last bits of a float differ between processors


def fill(run: Run) -> None:
    dem = read_raster(run.path("dem/dem.tif"))
    write_raster(run.path("watershed/filled.tif"), hydrology.fill_depressions(dem.values), dem, "float64")


def slope(run: Run) -> None:
    dem = read_raster(run.path("dem/dem.tif"))
    write_raster(run.path("watershed/slope.tif"), hydrology.slope_gradient(dem.values, dem.cell_size), dem)


def flow(run: Run) -> tuple[int, int]:
    """Return the number of channel cells and the number of hillslopes."""
    filled = read_raster(run.path("watershed/filled.tif"))
    receivers = hydrology.flow_receivers(filled.values, filled.cell_size)
    accumulation = hydrology.flow_accumulation(filled.values, receivers)
    channels = channel_cells(accumulation, _cell_area(filled), _inputs(run)["source_area_ha"] * HECTARE)
    labels = label_hillslopes(filled.values, receivers, channels)
    write_raster(run.path("watershed/flow_accumulation.tif"), accumulation, filled, "int32")
    write_raster(run.path("watershed/channels.tif"), channels, filled, "uint8")
    write_raster(run.path("watershed/hillslopes.tif"), labels, filled, "int32")
    return int(channels.sum()), int(labels.max())


def erosion(run: Run) -> None:
    """Write LS and the soil loss in t / (ha yr). Channel cells have none: RUSLE is about sheet and rill erosion."""
    inputs = _inputs(run)
    gradient = read_raster(run.path("watershed/slope.tif"))
    accumulation = _values(run, "watershed/flow_accumulation.tif").astype(np.int64)
    classes = landuse.classify(gradient.values)
    cover, practice = np.full((2, *classes.shape), np.nan)
    for number, factors in landuse.from_json(inputs["landuse"]).items():
        cover[classes == number] = factors.c_factor
        practice[classes == number] = factors.p_factor
    ls = hydrology.ls_factor(accumulation, gradient.values, gradient.cell_size, inputs["longest_slope_m"])
    loss = hydrology.soil_loss(inputs["rainfall_erosivity"], inputs["soil_erodibility"], ls, cover, practice)
    loss[_values(run, "watershed/channels.tif") == 1] = np.nan
    write_raster(run.path("landuse/landuse.tif"), classes, gradient, "uint8")
    write_raster(run.path("watershed/ls_factor.tif"), ls, gradient)
    write_raster(run.path("wepp/output/run/soil_loss.tif"), loss, gradient)


def report(run: Run) -> None:
    loss = read_raster(run.path("wepp/output/run/soil_loss.tif"))
    gradient = _values(run, "watershed/slope.tif")
    classes = _values(run, "landuse/landuse.tif")
    labels = _values(run, "watershed/hillslopes.tif").astype(np.int64)
    dem = _values(run, "dem/dem.tif")
    _write_summary(run, loss, gradient, classes, dem, hillslopes=int(labels.max()))
    _write_hillslopes(run, loss, gradient, labels)
    channels = _values(run, "watershed/channels.tif") == 1
    write_picture(run.path("export/soil_loss.png"), dem, loss.values, channels, loss.cell_size)


def _write_summary(run: Run, loss: Raster, gradient: Grid, classes: Grid, dem: Grid, hillslopes: int) -> None:
    inputs = _inputs(run)
    hectares = _cell_area(loss) / HECTARE
    width, height = loss.cell_size
    eroding = ~np.isnan(loss.values)

    def losses(of_class: int, description: str) -> dict[str, Any]:
        cells = eroding & (classes == of_class)
        return {"class": of_class, "description": description, **_loss_of(loss.values[cells], hectares)}

    summary = {
        "config": inputs["config"],
        "model": inputs["model"],
        "grid": {
            "columns": dem.shape[1],
            "rows": dem.shape[0],
            "cell_width_m": round(width, DIGITS),
            "cell_height_m": round(height, DIGITS),
            "lowest_m": round(float(np.nanmin(dem)), DIGITS),
            "highest_m": round(float(np.nanmax(dem)), DIGITS),
            "mean_slope": round(float(np.nanmean(gradient)), DIGITS),
        },
        "rainfall_erosivity": inputs["rainfall_erosivity"],
        "soil_erodibility": inputs["soil_erodibility"],
        "hillslopes": hillslopes,
        "soil_loss": {
            **_loss_of(loss.values[eroding], hectares),
            "highest_t_ha_yr": round(float(np.nanmax(loss.values)), DIGITS),
        },
        "landuse": [losses(int(number), cover["description"]) for number, cover in inputs["landuse"].items()],
    }
    write_json(run.path("wepp/output/run/summary.json"), summary)


def _write_hillslopes(run: Run, loss: Raster, gradient: Grid, labels: np.ndarray[Any, np.dtype[np.int64]]) -> None:
    """Write one row a hillslope; label 0, ground that drains into no channel, is left out."""
    eroding = ~np.isnan(loss.values)
    of_cell = labels[eroding]
    count = int(labels.max()) + 1
    cells = np.bincount(of_cell, minlength=count)
    slopes = np.bincount(of_cell, gradient[eroding], minlength=count)
    losses = np.bincount(of_cell, loss.values[eroding], minlength=count)
    hectares = _cell_area(loss) / HECTARE
    with run.path("wepp/output/run/hillslopes.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["hillslope", "area_ha", "mean_slope", "soil_loss_t_ha_yr", "soil_loss_t_yr"])
        for hillslope in range(1, count):
            if area := cells[hillslope]:
                mean_slope, mean_loss = slopes[hillslope] / area, losses[hillslope] / area
                figures = (area * hectares, mean_slope, mean_loss, losses[hillslope] * hectares)
                table.writerow([hillslope, *(f"{figure:.{DIGITS}f}" for figure in figures)])


def _loss_of(losses: Grid, hectares: float) -> dict[str, float]:
    """Return area, total and mean of the losses (t / (ha yr)) of cells of `hectares` each."""
    total = float(losses.sum()) * hectares
    area = losses.size * hectares
    return {
        "area_ha": round(area, DIGITS),
        "total_t_yr": round(total, DIGITS),
        "mean_t_ha_yr": round(total / area, DIGITS) if area else 0.0,
    }


def _inputs(run: Run) -> dict[str, Any]:
    inputs: dict[str, Any] = json.loads(run.path("wepp/runs/inputs.json").read_bytes())
    return inputs


def _values(run: Run, name: str) -> Grid:
    return read_raster(run.path(name)).values


def _cell_area(raster: Raster) -> float:
    """In m²."""
    width, height = raster.cell_size
    return width * height
