"""The computation of the sample application: a job tree, its status, its results."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from itertools import pairwise
from types import ModuleType
from uuid import uuid4

import pytest
import rasterio
from redis import Redis
from redis.lock import Lock
from rq import Queue
from rq.job import Job

from tests.examples.watershed_site import TABLE, WATERSHED, Browser, Site, crop, directory_of, seed
from tests.support import wait_until

TREE = ["run_wepp", "delineate", "run_slope", "run_flow", "run_rusle", "finalize"]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_whole_run(site: Site, browser: Browser) -> None:
    page = browser.create()
    assert browser.http.get(f"{page}rq/status").json() == {"status": "idle", "job_id": None}
    assert browser.http.get(f"{page}report/summary").status_code == 404
    browser.upload_dem(page, crop(90, 60))
    browser.upload_landuse(page, TABLE.format(c=0.2))
    browser.post(f"{page}tasks/set-climate", json={"rainfall_erosivity": 5000})

    ended = browser.compute(page)
    assert ended["status"] == "finished"
    assert ended["runid"] == page.split("/")[3]
    assert ended["started_at"] < ended["ended_at"]
    assert list(ended) == ["id", "runid", "status", "started_at", "ended_at", "jobs"]
    assert ended["jobs"] == [{"name": name, "status": "finished"} for name in TREE]
    assert browser.http.get(f"{page}rq/status").json() == {"status": "finished", "job_id": ended["id"]}

    summary = browser.http.get(f"{page}report/summary").json()
    assert (summary["grid"]["columns"], summary["grid"]["rows"]) == (90, 60)
    assert summary["rainfall_erosivity"] == 5000
    assert [use["class"] for use in summary["landuse"]] == [82, 81, 41]

    answer = browser.http.get(f"{page}browse/wepp/output/run/soil_loss.tif")
    assert answer.headers["content-type"] == "image/tiff"
    with rasterio.open(io.BytesIO(answer.content)) as raster:
        loss = raster.read(1, masked=True)
        assert (raster.dtypes, raster.nodata, raster.crs.to_string()) == (("float32",), -9999.0, "EPSG:4326")
        assert raster.transform.f == pytest.approx(36.732917, abs=1e-6)
    assert loss.min() >= 0
    with rasterio.open(directory_of(site, page) / "watershed" / "channels.tif") as raster:
        channels = raster.read(1) == 1
    assert (loss.mask == channels).all()
    assert 0 < channels.sum() < loss.count()
    assert float(loss.mean()) == pytest.approx(summary["soil_loss"]["mean_t_ha_yr"], rel=1e-4)
    assert float(loss.max()) == pytest.approx(summary["soil_loss"]["highest_t_ha_yr"], rel=1e-4)

    answer = browser.http.get(f"{page}resources/hillslopes.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    header, *rows = answer.text.splitlines()
    assert header == "hillslope,area_ha,mean_slope,soil_loss_t_ha_yr,soil_loss_t_yr"
    assert 1 <= len(rows) <= summary["hillslopes"]
    assert sum(float(row.split(",")[4]) for row in rows) <= summary["soil_loss"]["total_t_yr"] + 0.01

    shown = browser.http.get(page).text
    assert f"{summary['soil_loss']['mean_t_ha_yr']:.2f}" in shown
    assert re.findall(r'data-job="(\w+)" data-status="finished"', shown) == TREE
    assert ">2 km</span>" in shown  # of the 6.8 km that the map shows
    with rasterio.open(io.BytesIO(browser.http.get(f"{page}browse/export/soil_loss.png").content)) as picture:
        assert (picture.width, picture.height, picture.count) == (540, 360, 3)
        red, _, blue = picture.read().astype(int)
    assert ((blue > red) == channels.repeat(6, axis=0).repeat(6, axis=1)).all()
    assert "finalize COMPLETED" in (directory_of(site, page) / "_logs" / "wepp.log").read_text()


def test_equal_inputs_give_equal_files(site: Site, browser: Browser) -> None:
    written = []
    for _ in range(2):
        page = browser.create()
        browser.upload_dem(page, crop(60, 60))
        assert browser.compute(page)["status"] == "finished"
        directory = directory_of(site, page)
        written.append({path.name: path.read_bytes() for path in directory.glob("w*/**/*") if path.is_file()})
    assert {"soil_loss.tif", "summary.json", "hillslopes.csv", "flow_accumulation.tif"} <= set(written[0])
    assert written[0] == written[1]


def test_inputs_and_configuration_matter(browser: Browser) -> None:
    def mean_loss(config: str, erosivity: float | None = None, crops: float | None = None) -> float:
        page = browser.create(config)
        browser.upload_dem(page, crop(40, 40))
        if erosivity:
            browser.post(f"{page}tasks/set-climate", json={"rainfall_erosivity": erosivity})
        if crops:
            browser.upload_landuse(page, TABLE.format(c=crops))
        assert browser.compute(page)["status"] == "finished"
        return browser.http.get(f"{page}report/summary").json()["soil_loss"]["mean_t_ha_yr"]

    usual = mean_loss("rusle-90m")
    assert mean_loss("rusle-90m", erosivity=2 * 3800) == pytest.approx(2 * usual, rel=1e-3)
    assert mean_loss("rusle-90m", crops=0.9) > usual
    assert mean_loss("disturbed9002") > 3 * usual


def test_status_covers_the_tree_while_the_root_has_long_finished(site: Site, browser: Browser) -> None:
    page = browser.create()
    browser.upload_dem(page, crop(30, 30))
    with Lock(site.redis, f"watershed:lock:{page.split('/')[3]}:watershed", timeout=600):  # run_flow waits for it
        job_id = browser.start(page)
        root = Job.fetch(job_id, connection=site.redis)
        wait_until(lambda: root.get_status() == "finished", "the root job has finished")
        *others, last = Job.fetch_many(root.get_meta()["children"], connection=site.redis)
        wait_until(lambda: others[2].get_status() == "started", "run_flow has started")
        assert others[2].func_name == "tasks.run_flow"
        assert last.get_status() == "deferred"
        status = browser.job_status(job_id)
        assert (status["status"], status["ended_at"]) == ("started", None)
        assert browser.http.get(f"{page}rq/status").json() == {"status": "started", "job_id": job_id}
        answer = browser.post(f"{page}rq/api/run-wepp")
        assert answer.status_code == 200
        assert answer.json() == {"Success": False, "Error": "This run is already being computed."}
        assert others[2].get_status() == "started"
        assert "hillslopes" not in json.loads((directory_of(site, page) / "watershed.json").read_text())
    wait_until(lambda: browser.job_status(job_id)["status"] == "finished", "the tree has finished")


def test_a_dead_job_fails_the_tree_and_the_run_can_be_mended(site: Site, browser: Browser) -> None:
    page = browser.create()
    (directory_of(site, page) / "dem" / "dem.tif").write_bytes(b"spoiled")
    ended = browser.compute(page)
    assert ended["status"] == "failed"
    assert ended["ended_at"] is None  # the jobs that wait for the dead one never end
    root = Job.fetch(ended["id"], connection=site.redis)
    assert root.get_status() == "finished"
    statuses = [job.get_status() for job in Job.fetch_many(root.get_meta()["children"], connection=site.redis)]
    assert statuses == ["failed", "deferred", "deferred", "deferred", "deferred"]
    assert "delineate FAILED: RasterError" in (directory_of(site, page) / "_logs" / "wepp.log").read_text()
    assert browser.http.get(f"{page}report/summary").status_code == 404
    states = re.findall(r'data-job="(\w+)" data-status="(\w+)"', browser.http.get(page).text)
    assert states == list(zip(TREE, ["finished", *statuses], strict=True))

    browser.upload_dem(page, crop(30, 30))
    assert browser.compute(page)["status"] == "finished"


def test_unknown_jobs_are_not_found(browser: Browser) -> None:
    answer = browser.http.get("/weppcloud/rq/api/jobstatus/no-such")
    assert answer.status_code == 404
    assert answer.json()["status"] == "not_found"
    assert answer.json()["jobs"] == []


def test_clone_that_holds_only_its_configuration_runs_from_a_bare_enqueue(site: Site, browser: Browser) -> None:
    clone = site.clone_root / uuid4().hex
    seed(clone)
    runid = f"profile;;tmp;;{clone.name}"
    page = f"/weppcloud/runs/{runid}/rusle-90m/"
    assert browser.http.get(page).status_code == 200
    assert browser.http.get(f"{page}rq/status").json()["status"] == "idle"

    for _ in range(2):  # the second time, the answer must not be about the first
        job = Queue("wepp", connection=site.redis).enqueue("tasks.run_wepp", runid=runid)

        def finished(job: Job = job) -> bool:
            status = browser.http.get(f"{page}rq/status").json()
            assert status["job_id"] == job.id
            assert status["status"] != "failed"
            return status["status"] == "finished"

        wait_until(finished, "rq/status says finished")
    assert (clone / "dem" / "dem.tif").read_bytes() == (WATERSHED / "data" / "jacksboro_dem.tif").read_bytes()
    assert json.loads((clone / "wepp/output/run/summary.json").read_text())["grid"]["columns"] == 403
    assert not list(site.run_root.glob(f"**/*{clone.name}*"))
    assert clone.name not in browser.http.get("/weppcloud/runs/").text


def test_clones_keep_to_their_own_directory(site: Site, browser: Browser) -> None:
    clone = site.clone_root / str(uuid4())  # with hyphens
    seed(clone)
    page = f"/weppcloud/runs/profile;;tmp;;{clone.name}/rusle-90m/"
    assert browser.upload_dem(page, crop(30, 30))["Success"] is True
    assert (clone / "dem" / "dem.tif").is_file()
    assert json.loads((clone / "watershed.json").read_text())["dem"]["columns"] == 30


@pytest.mark.parametrize(
    ("statuses", "aggregated"),
    [
        (["finished", "finished"], "finished"),
        (["finished", "deferred"], "deferred"),
        (["finished", "scheduled"], "scheduled"),
        (["deferred", "scheduled", "queued"], "queued"),
        (["queued", "started"], "started"),
        (["started", "canceled"], "canceled"),
        (["canceled", "stopped"], "stopped"),
        (["stopped", "failed", "deferred"], "failed"),
    ],
)
def test_precedence_of_statuses(
    watershed_module: Callable[[str], ModuleType], redis_url: str, statuses: list[str], aggregated: str
) -> None:
    redis = Redis.from_url(redis_url)
    tree = [Job.create("tasks.run_wepp", args=("mossy-fern",), connection=redis, status=status) for status in statuses]
    for parent, child in pairwise(tree):
        parent.meta["children"] = [child.id]
    for job in tree:
        job.save()
    jobs = watershed_module("jobs")
    assert jobs.tree_status(redis, tree[0].id)["status"] == aggregated
    assert jobs.tree_status(redis, tree[0].id)["runid"] == "mossy-fern"
