"""What tests of the example applications share."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from redis import Redis

from playback.guard import Guarded
from tests.examples.watershed_site import WATERSHED, Browser, Site
from tests.support import Server, clean_environ


@pytest.fixture
def watershed_module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import a module of the sample application as it imports its own: by its bare name. Forgotten afterwards."""
    monkeypatch.syspath_prepend(WATERSHED)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(WATERSHED):
            del sys.modules[name]


@pytest.fixture(scope="package")
def site(redis_url: str) -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
        run_root, clone_root = Path(folder, "runs"), Path(folder, "clones")
        clone_root.mkdir()
        env = {
            "PYTHONPATH": str(WATERSHED),
            "WATERSHED_RUN_ROOT": str(run_root),
            "REDIS_URL": redis_url,
            "PROFILE_PLAYBACK_USE_CLONE": "true",
            "PROFILE_PLAYBACK_RUN_ROOT": str(clone_root),
            "RECORDER_ENABLED": "false",
        }
        rq = [
            sys.executable,
            "-m",
            "rq.cli",
            "worker",
            "--url",
            redis_url,
            "--worker-class",
            "worker.WarmWorker",
            "wepp",
        ]
        worker = Guarded(rq, env={**clean_environ(), **env}, cwd=Path(folder), output=output)
        try:
            with Server.gunicorn("app:create_app()", workers=2, env=env, path="/health") as server:
                yield Site(server.url, run_root, clone_root, Redis.from_url(redis_url))
        finally:
            worker.stop()
            output.seek(0)
            sys.stderr.write(output.read().decode(errors="replace")[-4000:])


@pytest.fixture(scope="package")
def browser(site: Site) -> Browser:
    return site.browser()
