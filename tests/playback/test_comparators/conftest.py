"""A pair of files and its verdict, in one call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from playback.comparators import Comparison, compare
from tests.playback.rasters import BASE, write

Judge = Callable[..., Comparison]


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """`judge(method, expected, actual, **params)` with the content of two files as text or bytes."""

    def judge(method: str, expected: str | bytes, actual: str | bytes, **params: object) -> Comparison:
        folder = tmp_path_factory.mktemp("pair")
        paths = folder / "expected", folder / "actual"
        for path, content in zip(paths, (expected, actual), strict=True):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        outcome = compare(method, *paths, params)
        assert sorted(folder.iterdir()) == sorted(paths), "a comparison must leave nothing beside the files"
        return outcome

    return judge


@pytest.fixture
def pair(tmp_path: Path) -> Callable[[str], tuple[Path, Path]]:
    """`pair("soil.tif")` gives the paths of an expected and an actual file of that name, in folders of their own."""

    def pair(name: str) -> tuple[Path, Path]:
        paths = tmp_path / "baseline" / name, tmp_path / "run" / name
        for path in paths:
            path.parent.mkdir(exist_ok=True)
        return paths

    return pair


@pytest.fixture
def judge_cells(pair, tmp_path):
    """`judge_cells(actual, expected=BASE, profile={…}, **params)`: the verdict on two GeoTIFFs; pictures are drawn."""

    def judge_cells(actual, expected=BASE, profile=None, **params) -> Comparison:
        left, right = pair("soil_loss.tif")
        write(left, expected)
        write(right, actual, **(profile or {}))
        outcome = compare("raster_stats", left, right, params, tmp_path / "artifacts" / "soil")
        assert [path.name for path in right.parent.iterdir()] == ["soil_loss.tif"], "GDAL left something behind"
        return outcome

    return judge_cells
