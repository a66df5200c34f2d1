"""An application with background jobs for the tests of waits: a Redis of its own, a web process that records, real workers."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from playback.engine import Options, replay
from playback.guard import Guarded
from playback.redis_server import running_redis
from playback.report import Report
from recorder.workers import listening
from tests.support import ROOT, Server, clean_environ, wait_until

TOKEN = "jobs-token-1234567890"
WAYS = ("redis", "recorder", "application")


@dataclass
class JobSite:
    """A running application; `folder` holds its recordings."""

    url: str
    redis_url: str
    redis: Redis
    folder: Path

    def environ(self, way: str) -> dict[str, str]:
        """The environment of a replay that sees jobs in one way alone."""
        return {
            "redis": {"REDIS_URL": self.redis_url},
            "recorder": {"RECORDER_TOKEN": TOKEN},
            "application": {},
        }[way]

    def replayed(
        self,
        data_root: Path,
        slug: str,
        way: str = "redis",
        progress: Callable[[dict[str, Any]], None] = lambda e: None,
    ) -> Report:
        return replay(slug, data_root, Options(self.url), self.environ(way), progress)

    @contextlib.contextmanager
    def worker(self, *queues: str, hooked: bool = True, options: tuple[str, ...] = ()) -> Iterator[Guarded]:
        """A real worker, with its work horses gone when it is."""
        command = [sys.executable, "-m", "rq.cli", "worker", "--url", self.redis_url, *options, *queues]
        env = {**clean_environ(), "PYTHONPATH": str(ROOT), "RECORDER_ROOT": str(self.folder / "recorder")}
        if hooked:
            env["RQ_CONFIG"] = "recorder.rq"
        with tempfile.TemporaryFile() as output:
            running = Guarded(command, env=env, cwd=ROOT, output=output)
            try:
                yield running
            except BaseException:
                output.seek(0)
                sys.stderr.write(output.read().decode(errors="replace")[-3000:])
                raise
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(running.pid, signal.SIGKILL)  # it would say goodbye for a second
                running.stop()


@contextlib.contextmanager
def job_site(folder: Path, *, capture: str | None = None) -> Iterator[JobSite]:
    """Run it, with two workers on the queues `work` and `other`, one of which has a scheduler."""
    with running_redis() as redis_url, Redis.from_url(redis_url) as redis, contextlib.ExitStack() as stack:
        env = {
            "REDIS_URL": redis_url, "WRAPPED_APP": "tests.apps.jobs_wsgi:app", "RECORDER_ROOT": str(folder / "recorder"),
            "RECORDER_TOKEN": TOKEN, "RECORDER_ENVIRONMENT": "test",
        }  # fmt: skip
        if capture:
            env["RECORDER_CAPTURE"] = capture
        server = Server.gunicorn("tests.apps.wrapped:app", options=["--threads", "4"], env=env)
        site = JobSite(server.url, redis_url, redis, folder)
        stack.enter_context(site.worker("work", "other", options=("--with-scheduler",)))
        stack.enter_context(site.worker("work", "other"))
        stack.enter_context(server)
        wait_until(lambda: {"work", "other"} <= listening(redis), "the workers listen")
        wait_until(lambda: redis.exists("rq:scheduler-lock:work"), "the scheduler runs")
        yield site


def kill_horse_and(worker: Guarded, horse: int) -> None:
    """As when a machine goes: the worker first, so that it cannot tell of its work horse's end."""
    os.kill(worker.pid, signal.SIGKILL)
    os.kill(horse, signal.SIGKILL)
