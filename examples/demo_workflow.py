"""What a person does in the demo: logs in, creates a run, uploads, uploads again, computes, looks at the results.

The recorder is told over its own API where the workflow begins and ends, as its toolbar would.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import httpx
import rasterio
from demo_browser import Browser
from demo_site import ADMIN, PASSWORD, WATERSHED
from rasterio.io import MemoryFile
from rasterio.windows import Window

__all__ = ["Recorded", "record"]

CONFIG = "disturbed9002"
DEM = WATERSHED / "data" / "jacksboro_dem.tif"
LANDUSE = (WATERSHED / "data" / "landuse" / "burned.csv").read_bytes()
POLL = 0.4  # seconds, as the page's own script has it
DEADLINE = 180.0  # seconds for the computation
ENDED = {"finished", "failed", "stopped", "canceled"}
NOTES = (
    "A watershed after a wildfire. The administrator creates a run and uploads its elevations twice, since the first file "
    "was a corner that is too small; uploads a land use table, sets the rainfall, lets the computation run as a tree of "
    "six jobs, and fetches the results."
)


@dataclass(frozen=True)
class Recorded:
    """What was done: the run, how many requests in how many seconds, and when the end was asked for (monotonic)."""

    run_id: str
    requests: int
    seconds: float
    ended: float


def record(origin: str, slug: str, tell: Callable[[str], None]) -> Recorded:
    """Do the work between the beginning and the end of a capture called `slug`."""
    requests = 0

    def saw(what: str, answer: httpx.Response) -> None:
        tell(f"{what:<46}  {answer.request.method:<4} → {answer.status_code}")

    def count(answer: httpx.Response) -> None:
        nonlocal requests
        requests += 1

    with Browser(origin, saw) as browser:
        login = browser.open("/weppcloud/", "open the site, which sends us to its login form")
        mark = {"headers": {"X-Recorder-CSRF": browser.call("GET", "/recorder/status")["csrf"]}}
        start = {"slug": slug, "scope": "session"}
        browser.call("POST", "/recorder/captures/start", "capture start", json=start, **mark)
        browser.http.event_hooks["response"].append(count)
        began = time.monotonic()

        home = browser.submit(login.form("login"), f"log in as {ADMIN}", email=ADMIN, password=PASSWORD)
        page = browser.submit(home.form(f"create/{CONFIG}"), "create a run")
        run_id = unquote(urlsplit(page.url).path).split("/")[3]
        browser.call("GET", "rq/status")
        dem, landuse = page.form("upload-dem"), page.form("upload-landuse")
        browser.upload(dem, "upload elevations: the wrong file", "dem.tif", crop(40, 30), "image/tiff")
        browser.upload(dem, "upload again, under the same name", "dem.tif", crop(120, 90), "image/tiff")
        browser.upload(landuse, "upload a table of land use", "burned.csv", LANDUSE, "text/csv")
        rain = {"rainfall_erosivity": 4200.0}
        browser.call("POST", page.form("set-climate").action, "set the rainfall", json=rain)
        job_id = browser.call("POST", page.form("run-wepp").action, "run: starts a tree of six jobs")["job_id"]
        asked = f"/weppcloud/rq/api/jobstatus/{job_id}"
        job, times = browser.poll(asked, lambda answer: answer["status"] in ENDED, every=POLL, deadline=DEADLINE)
        tell(f"{'poll until all jobs have ended':<46}  GET  → {job['status']}, asked {times} times")
        browser.open(page.url, "see the results on the run's page")
        browser.call("GET", "rq/status")
        browser.call("GET", "report/summary", "fetch the summary")
        browser.download("resources/hillslopes.csv", "fetch the table of hillslopes")

        ended = time.monotonic()
        browser.http.event_hooks["response"].remove(count)
        browser.call("POST", "/recorder/captures/end", "capture end", json={"notes": NOTES}, **mark)
    return Recorded(run_id, requests, ended - began, ended)


def crop(columns: int, rows: int) -> bytes:
    """The north-west corner of the elevations that come with the application, as a GeoTIFF."""
    with rasterio.open(DEM) as source, MemoryFile() as file:
        profile = source.profile | {"width": columns, "height": rows, "blockysize": rows}
        with file.open(**profile) as target:
            target.write(source.read(1, window=Window(0, 0, columns, rows)), 1)
        content: bytes = file.read()
    return content
