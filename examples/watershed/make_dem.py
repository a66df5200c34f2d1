"""Write `data/jacksboro_dem.tif` from the grid that matplotlib ships as sample data (see data/ATTRIBUTION.md).

Run once, by hand: `python make_dem.py`. The application itself does not need matplotlib.
"""

from pathlib import Path

import numpy as np
import rasterio
from matplotlib import cbook
from rasterio.transform import from_bounds

TARGET = Path(__file__).parent / "data" / "jacksboro_dem.tif"


def main() -> None:
    with cbook.get_sample_data("jacksboro_fault_dem.npz") as sample:
        elevation = sample["elevation"].astype(np.int16)
        # The sample calls the northern edge `ymin`: its rows run from north to south.
        west, east, north, south = (float(sample[name]) for name in ("xmin", "xmax", "ymin", "ymax"))
    height, width = elevation.shape
    with rasterio.open(
        TARGET,
        "w",
        driver="GTiff",
        width=width,
        height=height,
        count=1,
        dtype=elevation.dtype,
        crs="EPSG:4326",
        transform=from_bounds(west, south, east, north, width, height),
        compress="deflate",
        predictor=2,
        zlevel=9,
    ) as raster:
        raster.write(elevation, 1)
        raster.update_tags(AREA_OR_POINT="Area", source="Jacksboro fault sample of matplotlib, public domain")


if __name__ == "__main__":
    main()
