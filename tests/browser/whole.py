"""Everything at once, as somebody has it at work: the sample application while it is recorded, its worker, the assembler,
and the playback service beside them."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis

from playback.guard import Guarded
from playback.redis_server import running_redis
from recorder.workers import listening
from tests.assembler.followers import following
from tests.examples.watershed_site import CREDENTIALS, WATERSHED
from tests.playback.serving import serving
from tests.support import Server, clean_environ, free_port, wait_until

__all__ = ["Whole", "whole"]

RUNS = "/weppcloud/runs/(?P<run_id>[^/]+)/(?P<config>[^/]+)/"


@dataclass
class Whole:
    """`url` is the application's origin, also after it has become another one; `service` the playback service's."""

    folder: Path
    redis_url: str
    port: int = field(default_factory=free_port)
    service: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data_root(self) -> Path:
        return self.folder / "data"

    @property
    def recorder_root(self) -> Path:
        return self.folder / "recorder"

    @property
    def environment(self) -> dict[str, str]:
        """What all programs have in common."""
        return {
            "REDIS_URL": self.redis_url,
            "PROFILE_DATA_ROOT": str(self.data_root),
            "PROFILE_PLAYBACK_RUN_ROOT": str(self.folder / "clones"),
            "PROFILE_PLAYBACK_BASE_URL": self.url,
            "ADMIN_EMAIL": CREDENTIALS["email"],
            "ADMIN_PASSWORD": CREDENTIALS["password"],
        }

    @contextmanager
    def application(self, source: Path = WATERSHED) -> Iterator[None]:
        """The application as it stands in `source`: web processes and a worker, both recorded."""
        environment = self.environment | {
            "PYTHONPATH": str(source),
            "WATERSHED_RUN_ROOT": str(self.folder / "runs"),
            "PROFILE_PLAYBACK_USE_CLONE": "true",
            "RECORDER_ROOT": str(self.recorder_root),
            "RECORDER_ENVIRONMENT": "development",
            "RECORDER_RUN_PATTERN": RUNS,
            "RECORDER_RUN_ROOT": f"{self.folder / 'runs'}/{{run_id:.2}}/{{run_id}}",
        }
        rq = [sys.executable, "-m", "rq.cli", "worker", "--worker-class", "worker.WarmWorker", "wepp"]
        rq += ["--url", self.redis_url]
        recorded = {**clean_environ(), **environment, "RQ_CONFIG": "recorder.rq"}
        redis = Redis.from_url(self.redis_url)
        with tempfile.TemporaryFile() as output:
            worker = Guarded(rq, env=recorded, cwd=self.folder, output=output)
            try:
                wait_until(lambda: "wepp" in listening(redis), "a worker listens")
                web: dict[str, Any] = {"env": environment, "path": "/health", "port": self.port, "workers": 2}
                with Server.gunicorn("app:create_app()", **web):
                    yield
            finally:
                worker.stop()


@contextmanager
def whole(folder: Path) -> Iterator[Whole]:
    """Redis, the assembler and the service; the application is for the test to start, and to start as another one."""
    with ExitStack() as stack:
        running = Whole(folder, stack.enter_context(running_redis()))
        running.data_root.mkdir()
        stack.enter_context(following(running.recorder_root, running.data_root))
        running.service = stack.enter_context(serving({**clean_environ(), **running.environment}))
        yield running
