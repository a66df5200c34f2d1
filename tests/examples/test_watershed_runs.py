"""Runs of the sample application: creating, finding, browsing, uploading."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import numpy as np
import pytest
import rasterio
from redis import Redis

from tests.examples.watershed_site import TABLE, WATERSHED, Browser, Site, crop, directory_of, geotiff


@pytest.mark.parametrize("config", ["rusle-90m", "disturbed9002"])
def test_creating_a_run(site: Site, browser: Browser, config: str) -> None:
    page = browser.create(config)
    assert re.fullmatch(rf"/weppcloud/runs/[a-z]+-[a-z]+/{config}/", page)
    assert browser.http.get(page).status_code == 200
    directory = directory_of(site, page)
    assert (directory / f"{config}.cfg").read_bytes() == (WATERSHED / "configs" / f"{config}.cfg").read_bytes()
    assert "bin=rusle_1997" in (directory / "_defaults.toml").read_text()
    for folder in ("dem", "watershed", "landuse", "soils", "climate", "wepp/runs", "wepp/output", "export", "_logs"):
        assert (directory / folder).is_dir()
    assert directory.name in browser.http.get("/weppcloud/runs/").text


def test_composite_run_ids(site: Site, browser: Browser) -> None:
    page = browser.create(batch="spring")
    runid = page.split("/")[3]
    assert re.fullmatch(r"batch;;spring;;[a-z]+-[a-z]+", runid)
    assert (site.run_root / "ba" / runid / "rusle-90m.cfg").is_file()
    assert browser.http.get(page).status_code == 200
    assert browser.http.get(page.replace(";", "%3B")).status_code == 200


def test_batch_names_cannot_leave_the_root(site: Site, browser: Browser) -> None:
    before = sorted(site.run_root.glob("*/*"))
    sent = {"csrf_token": browser.token("/weppcloud/"), "batch": "../../elsewhere"}
    assert browser.http.post("/weppcloud/create/rusle-90m", data=sent).status_code == 400
    assert sorted(site.run_root.glob("*/*")) == before


@pytest.mark.parametrize(
    "runid", ["no-such", "..", "%2e%2e", "Upper-Case", "profile;;tmp;;..", f"profile;;tmp;;{'0' * 32}"]
)
def test_unknown_runs_are_not_found(browser: Browser, runid: str) -> None:
    assert browser.http.get(f"/weppcloud/runs/{runid}/rusle-90m/").status_code == 404
    assert browser.http.get(f"/weppcloud/runs/{runid}/rusle-90m/rq/status").status_code == 404


def test_a_run_has_one_configuration(browser: Browser) -> None:
    page = browser.create("rusle-90m")
    assert browser.http.get(page.replace("rusle-90m", "disturbed9002")).status_code == 404
    assert (
        browser.http.post("/weppcloud/create/no-such", data={"csrf_token": browser.token("/weppcloud/")}).status_code
        == 404
    )


def test_browsing_shows_the_run_and_nothing_else(site: Site, browser: Browser) -> None:
    page = browser.create()
    (directory_of(site, page) / "_logs" / "audit.jsonl").write_text("{}")
    listing = browser.http.get(f"{page}browse/").text
    assert "_defaults.toml" in listing
    assert "_logs" not in listing
    assert browser.http.get(f"{page}browse/_defaults.toml").headers["content-type"].startswith("text/plain")
    assert browser.http.get(f"{page}browse/wepp").headers["location"] == f"{page}browse/wepp/"
    assert 'href="output/"' in browser.http.get(f"{page}browse/wepp/").text
    for hidden in ("_logs/audit.jsonl", "..%2f..%2f.secret_key", "dem/../_logs/audit.jsonl", "no-such.txt"):
        assert browser.http.get(f"{page}browse/{hidden}").status_code == 404


def test_page_and_api_addresses_lie_below_the_site_prefix(browser: Browser) -> None:
    page = browser.create()
    found = re.findall(r'(?:href|src|action)="([^"]+)"', browser.http.get(page).text)
    assert found
    assert {urlsplit(address).path.split("/")[1] for address in found if address.startswith("/")} == {"weppcloud"}


def test_uploading_again_replaces_the_file(site: Site, browser: Browser) -> None:
    page = browser.create()
    first, second = crop(40, 30), crop(50, 20)
    assert browser.upload_dem(page, first, "first.tif")["Success"] is True
    answer = browser.upload_dem(page, second, "second.tif")
    assert answer == {
        "Success": True,
        "Content": {"file": "dem/dem.tif", "columns": 50, "rows": 20, "crs": "EPSG:4326"},
    }
    directory = directory_of(site, page)
    assert [path.name for path in (directory / "dem").iterdir()] == ["dem.tif"]
    assert (directory / "dem" / "dem.tif").read_bytes() == second
    assert json.loads((directory / "watershed.json").read_text())["dem"]["original_name"] == "second.tif"

    browser.upload_landuse(page, TABLE.format(c=0.2))
    assert browser.upload_landuse(page, TABLE.format(c=0.3), "dry.csv")["Content"]["classes"] == 3
    assert (directory / "landuse" / "landuse.csv").read_text() == TABLE.format(c=0.3)
    assert json.loads((directory / "landuse.json").read_text())["original_name"] == "dry.csv"


def test_a_dem_that_is_none_is_refused(site: Site, browser: Browser) -> None:
    page = browser.create()
    good = crop(30, 30)
    browser.upload_dem(page, good)
    elevation = np.ones((5, 5), dtype=np.int16)
    plain = {"driver": "GTiff", "width": 5, "height": 5, "count": 1, "dtype": "int16"}
    on_the_map = {"crs": "EPSG:32616", "transform": rasterio.Affine(30, 0, 0, 0, -30, 0)}
    turned = {**on_the_map, "transform": rasterio.Affine(20, 20, 0, 20, -20, 0)}
    for content, name, error in [
        (b"no raster", "dem.tif", "dem.tif cannot be used as a DEM: not a readable GeoTIFF."),
        (good[: len(good) // 2], "cut.tif", "cut.tif cannot be used as a DEM: not a readable GeoTIFF."),
        (good, "dem.png", "dem.png has the wrong kind of name: .tif or .tiff is needed."),
        (
            geotiff({**plain, **turned}, elevation),
            "dem.tif",
            "dem.tif cannot be used as a DEM: the grid has to be north-up.",
        ),
    ]:
        answer = browser.post(f"{page}tasks/upload-dem/", files={"input_upload_dem": (name, content)})
        assert answer.status_code == 200
        assert answer.json() == {"Success": False, "Error": error}
    answer = browser.post(f"{page}tasks/upload-dem/", data={"other": "1"})
    assert answer.json() == {"Success": False, "Error": "No file was sent as input_upload_dem."}
    assert [path.name for path in (directory_of(site, page) / "dem").iterdir()] == ["dem.tif"]
    assert (directory_of(site, page) / "dem" / "dem.tif").read_bytes() == good


def test_bad_land_use_and_climate_are_refused(browser: Browser) -> None:
    page = browser.create()
    answer = browser.upload_landuse(page, "class,c_factor\n82,0.1\n", "short.csv")
    assert answer["Success"] is False
    assert "short.csv cannot be used: the table has no column description, p_factor" in answer["Error"]
    assert browser.upload_landuse(page, TABLE.format(c=0.1), "landuse.txt")["Success"] is False
    for sent in ({}, {"rainfall_erosivity": "wet"}, {"rainfall_erosivity": -1}, {"rainfall_erosivity": None}, [1]):
        answer = browser.post(f"{page}tasks/set-climate", json=sent)
        assert answer.status_code == 200
        assert answer.json()["Success"] is False
        assert answer.json()["Error"].startswith("rainfall_erosivity has to")


def test_edits_of_state_come_one_after_the_other(
    watershed_module: Callable[[str], ModuleType], tmp_path: Path, redis_url: str
) -> None:
    run = watershed_module("runs").Run("mossy-fern", "rusle-90m", tmp_path, Redis.from_url(redis_url))

    def count_up(_: int) -> None:
        with run.editing("counter") as counter:
            counter["count"] = counter.get("count", 0) + 1

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count_up, range(60)))
    assert run.state("counter") == {"count": 60}


def test_an_edit_that_fails_changes_nothing(
    watershed_module: Callable[[str], ModuleType], tmp_path: Path, redis_url: str
) -> None:
    run = watershed_module("runs").Run("mossy-fern", "rusle-90m", tmp_path, Redis.from_url(redis_url))
    with run.editing("climate") as climate:
        climate["rainfall_erosivity"] = 1.0
    with pytest.raises(ZeroDivisionError), run.editing("climate") as climate:
        climate["rainfall_erosivity"] = 1 / 0
    assert run.state("climate") == {"rainfall_erosivity": 1.0}
    assert [path.name for path in tmp_path.iterdir()] == ["climate.json"]


def test_web_processes_share_one_signing_key(watershed_module: Callable[[str], ModuleType], tmp_path: Path) -> None:
    settings = watershed_module("settings").Settings.from_environment({"WATERSHED_RUN_ROOT": str(tmp_path / "new")})
    key = settings.signing_key()
    assert len(key) == 64
    assert settings.signing_key() == key
    assert (tmp_path / "new" / ".secret_key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "new").iterdir()] == [".secret_key"]


def test_parameters_may_stand_bare_and_are_overridden(
    watershed_module: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    configs = WATERSHED / "configs"
    shutil.copyfile(configs / "_defaults.toml", tmp_path / "_defaults.toml")
    (tmp_path / "own.cfg").write_text('[general]\nname = "With \\"quotes\\" # and a hash"\n[watershed]\ncsa=7 # ha\n')
    parameters = watershed_module("parameters").Parameters.read(tmp_path, "own")
    assert parameters.model == "rusle_1997"
    assert parameters.source_area == 7.0
    assert parameters.longest_slope == 300.0
