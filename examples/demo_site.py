"""What the demo runs: Redis, the sample application with its RQ worker, the playback service, the assembler.

Each is a program of its own, started with a clean environment, and gone when the demo is gone, however that ended.
"""

from __future__ import annotations

import http.client
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from demo_interrupts import Interrupts
from redis import Redis

from playback.guard import Guarded
from playback.redis_server import RedisNotFound, find_redis, running_redis

__all__ = ["ADMIN", "PASSWORD", "WATERSHED", "Site", "StartError"]

WATERSHED = Path(__file__).resolve().parent / "watershed"
ADMIN, PASSWORD = "admin@example.org", "watershed-development"
QUEUE = "wepp"
STEERED_BY = ("ADMIN_", "GUNICORN_", "PROFILE_", "RECORDER_", "REDIS_", "RQ_", "WATERSHED_", "WCTL_")
"""What an environment variable begins with that would make this demo another one."""

GUNICORN = "control_socket_disable = True  # there is one for each user: two demos at once would share it\n"
PATIENCE = 120.0  # seconds for a program to answer; it takes two


class StartError(RuntimeError):
    """A program that did not come up; the message holds the end of what it said."""


class Site:
    """Everything that runs, below one folder. Use it in a `with`: what it started, it stops.

    `url` is the application's origin, `service` the playback service's.
    """

    def __init__(self, folder: Path, interrupts: Interrupts) -> None:
        self.folder = folder
        self.interrupts = interrupts
        self.data_root = folder / "data"
        self.run_root = folder / "runs"
        self.recorder_root = folder / "recorder"
        self.url = self.service = self.redis_url = ""
        self.programs: list[Guarded] = []
        self._stack = ExitStack()
        self._application = ExitStack()
        for path in (self.data_root, self.run_root, folder / "logs"):
            path.mkdir(parents=True)
        (folder / "gunicorn.conf.py").write_text(GUNICORN)

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *raised: object) -> None:
        with self.interrupts.held():
            self._application.close()
            self._stack.close()

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every program: the caller's, without what steers this product, and the demo's own."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(STEERED_BY)},
            "PYTHONUNBUFFERED": "1",
            "REDIS_URL": self.redis_url,
            "ADMIN_EMAIL": ADMIN,
            "ADMIN_PASSWORD": PASSWORD,
            "PROFILE_DATA_ROOT": str(self.data_root),
            "PROFILE_PLAYBACK_RUN_ROOT": str(self.data_root / "playback_runs"),
        }

    def start_redis(self) -> str:
        """Start a Redis that only this demo knows; returns what it is. The one at REDIS_URL, where others may have jobs
        on the queue, serves when there is none to start. Raises RedisNotFound."""
        environ = {"PATH": os.environ.get("PATH", os.defpath)}
        try:
            found = find_redis(environ)
        except RedisNotFound:
            environ = dict(os.environ)
            found = find_redis(environ)
        with self.interrupts.held():
            self.redis_url = self._stack.enter_context(running_redis(environ=environ))
        return f"{found.binary}, for this demo alone" if found.binary else "the one at REDIS_URL"

    def start_application(self, source: Path) -> None:
        """Start the application as it stands in `source`: web processes and an RQ worker, both with the recorder."""
        environment = self.environment | {
            "PYTHONPATH": str(source),
            "WATERSHED_RUN_ROOT": str(self.run_root),
            "PROFILE_PLAYBACK_USE_CLONE": "true",
            "RECORDER_ROOT": str(self.recorder_root),
            "RECORDER_ENVIRONMENT": "development",
            "RECORDER_RUN_PATTERN": "/weppcloud/runs/(?P<run_id>[^/]+)/(?P<config>[^/]+)/",
            "RECORDER_RUN_ROOT": f"{self.run_root}/{{run_id:.2}}/{{run_id}}",
        }
        worker = ["-m", "rq.cli", "worker", "--worker-class", "worker.WarmWorker", "--url", self.redis_url, QUEUE]
        self._start("worker", worker, environment | {"RQ_CONFIG": "recorder.rq"}, self._application)
        port = _free_port()
        listen = ["--bind", f"127.0.0.1:{port}", "--workers", "2", "--graceful-timeout", "2"]
        web = ["-m", "gunicorn", "--config", str(self.folder / "gunicorn.conf.py"), *listen, "app:create_app()"]
        program = self._start("web", web, environment, self._application)
        self._wait(program, "web", lambda: _answers(port, "/health"))
        self.url = f"http://127.0.0.1:{port}"

    def wait_for_worker(self) -> None:
        """Return when the RQ worker listens."""
        with Redis.from_url(self.redis_url) as connection:
            self._wait(self.programs[-2], "worker", lambda: connection.scard("rq:workers"))

    def stop_application(self) -> None:
        """Stop web processes and worker."""
        with self.interrupts.held():
            self._application.close()

    def start_service(self) -> None:
        """Start the playback service."""
        port = _free_port()
        program = self._start("service", ["-m", "playback.service", "--port", str(port)], self.environment, self._stack)
        self._wait(program, "service", lambda: _answers(port, "/health"))
        self.service = f"http://127.0.0.1:{port}"

    def start_assembler(self, slug: str) -> Guarded:
        """Start what follows the recorder's logs and makes the draft when the capture `slug` has ended."""
        command = ["assemble", "--from", str(self.recorder_root), "--slug", slug, "--follow"]
        return self._start("assembler", [*WCTL, *command], self.environment, self._stack)

    def said(self, name: str, lines: int = 15) -> str:
        """The end of what a program wrote."""
        path = self.folder / "logs" / f"{name}.log"
        text = path.read_text(errors="replace") if path.exists() else ""
        return "\n".join(text.splitlines()[-lines:]) or "(nothing)"

    def _start(self, name: str, arguments: list[str], environment: dict[str, str], stack: ExitStack) -> Guarded:
        with self.interrupts.held(), (self.folder / "logs" / f"{name}.log").open("ab") as output:
            program = Guarded([sys.executable, *arguments], env=environment, cwd=self.folder, output=output)
            self.programs.append(stack.enter_context(program))
        return program

    def _wait(self, program: Guarded, name: str, ready: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not ready():
            if program.poll() is not None or time.monotonic() > end:
                why = "ended" if program.poll() is not None else f"did not answer within {PATIENCE:g} s"
                raise StartError(f"The {name} {why}; it said:\n{self.said(name)}")
            time.sleep(0.02)


WCTL = ["-c", "import wctl; wctl.main()"]
"""`wctl` for an interpreter; the script of that name may not be on PATH."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
