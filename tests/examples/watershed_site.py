"""The sample application as a running site, and a browser to use it with."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import rasterio
from redis import Redis

from playback.guard import Guarded
from recorder.workers import listening
from tests.support import ROOT, Server, clean_environ, wait_until

WATERSHED = ROOT / "examples" / "watershed"
CREDENTIALS = {"email": "admin@example.org", "password": "watershed-development"}
ENDED = {"finished", "failed", "stopped", "canceled"}
TABLE = "class,description,c_factor,p_factor\n82,Crops,{c},1\n81,Grass,0.02,1\n41,Wood,0.003,1\n"


@dataclass
class Site:
    url: str
    run_root: Path
    clone_root: Path
    redis: Redis
    worker: Guarded

    def browser(self) -> Browser:
        """A new browser, logged in."""
        browser = Browser(self.url)
        assert browser.log_in().status_code == 302
        return browser


@contextlib.contextmanager
def running_site(redis_url: str, folder: Path, source: Path = WATERSHED) -> Iterator[Site]:
    """Run web processes and a worker of the application in `source`, without the recorder, on runs below `folder`."""
    run_root, clone_root = folder / "runs", folder / "clones"
    clone_root.mkdir()
    env = {
        "PYTHONPATH": str(source),
        "WATERSHED_RUN_ROOT": str(run_root),
        "REDIS_URL": redis_url,
        "PROFILE_PLAYBACK_USE_CLONE": "true",
        "PROFILE_PLAYBACK_RUN_ROOT": str(clone_root),
        "RECORDER_ENABLED": "false",
    }
    rq = [sys.executable, "-m", "rq.cli", "worker", "--url", redis_url, "--worker-class", "worker.WarmWorker", "wepp"]
    with tempfile.TemporaryFile() as output:
        worker = Guarded(rq, env={**clean_environ(), **env}, cwd=folder, output=output)
        try:
            with Server.gunicorn("app:create_app()", workers=2, env=env, path="/health") as server:
                site = Site(server.url, run_root, clone_root, Redis.from_url(redis_url), worker)
                wait_until(lambda: "wepp" in listening(site.redis), "a worker listens")
                yield site
        finally:
            worker.stop()
            output.seek(0)
            sys.stderr.write(output.read().decode(errors="replace")[-4000:])


@dataclass
class Browser:
    url: str
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.url, timeout=60)

    def token(self, page: str) -> str:
        """The CSRF token of a page."""
        return re.search(r'<meta name="csrf-token" content="([^"]+)">', self.http.get(page).text)[1]

    def log_in(self, **changed: str) -> httpx.Response:
        token = self.token("/weppcloud/login")
        return self.http.post("/weppcloud/login", data={"csrf_token": token, **CREDENTIALS, **changed})

    def create(self, config: str = "rusle-90m", **form: str) -> str:
        """Create a run and return the path of its page."""
        token = self.token("/weppcloud/")
        answer = self.http.post(f"/weppcloud/create/{config}", data={"csrf_token": token, **form})
        assert answer.status_code == 302
        return answer.headers["location"]

    def post(self, url: str, **sent: object) -> httpx.Response:
        """Post as the page's script does."""
        return self.http.post(url, headers={"X-CSRFToken": self.token("/weppcloud/")}, **sent)

    def upload_dem(self, page: str, content: bytes, name: str = "dem.tif") -> dict[str, Any]:
        return self.post(f"{page}tasks/upload-dem/", files={"input_upload_dem": (name, content, "image/tiff")}).json()

    def upload_landuse(self, page: str, text: str, name: str = "landuse.csv") -> dict[str, Any]:
        sent = {"input_upload_landuse": (name, text.encode(), "text/csv")}
        return self.post(f"{page}tasks/upload-landuse/", files=sent).json()

    def start(self, page: str) -> str:
        """Press the button and return the job id."""
        answer = self.post(f"{page}rq/api/run-wepp").json()
        assert answer["Success"] is True
        return answer["job_id"]

    def job_status(self, job_id: str) -> dict[str, Any]:
        return self.http.get(f"/weppcloud/rq/api/jobstatus/{job_id}").json()

    def compute(self, page: str) -> dict[str, Any]:
        """Start the run, wait until its job tree has ended and return the tree's status."""
        job_id = self.start(page)
        wait_until(lambda: self.job_status(job_id)["status"] in ENDED, "the job tree has ended")
        return self.job_status(job_id)


def crop(columns: int, rows: int) -> bytes:
    """The north-west corner of the DEM that comes with the application."""
    with rasterio.open(WATERSHED / "data" / "jacksboro_dem.tif") as dem:
        profile = {**dem.profile, "width": columns, "height": rows, "blockysize": rows}
        return geotiff(profile, dem.read(1)[:rows, :columns])


def geotiff(profile: dict, values: np.ndarray) -> bytes:
    content = io.BytesIO()
    with rasterio.open(content, "w", **profile) as dem:
        dem.write(values, 1)
    return content.getvalue()


def directory_of(site: Site, page: str) -> Path:
    runid = page.split("/")[3]
    return site.run_root / runid[:2] / runid


def seed(directory: Path) -> None:
    """What a profile's seed holds at least."""
    directory.mkdir()
    for name in ("rusle-90m.cfg", "_defaults.toml"):
        shutil.copyfile(WATERSHED / "configs" / name, directory / name)
