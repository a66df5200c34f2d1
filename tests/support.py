"""Plain things that tests start and wait for: free ports, and servers that end with the test run."""

from __future__ import annotations

import http.client
import os
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from playback.guard import Guarded

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
CLEARED = ("RECORDER_", "PROFILE_", "WCTL_", "ADMIN_", "REDIS_URL", "GITHUB_")
"""What an environment variable begins with that no test may inherit."""


def clean_environ() -> dict[str, str]:
    """A copy of the environment without anything that steers this product."""
    return {name: value for name, value in os.environ.items() if not name.startswith(CLEARED)}


PATIENCE = 120.0
"""Seconds that a test waits for what should come at once: no figure of the product, only the end of a hang."""

OTHERS_PLUGINS = ("-p", "no:schemathesis", "-p", "no:hypothesispytest", "-p", "no:anyio")
"""Options for a pytest that a test runs: plugins that happen to be installed here, and take seconds to import."""

_kept: deque[socket.socket] = deque(maxlen=256)


def free_port() -> int:
    """A loopback port that nobody listens on, and that the system gives to nobody else meanwhile.

    It stays bound here, without listening: a connection to it is refused, and a server that sets SO_REUSEADDR, as servers
    do, may listen on it (ip(7), socket(7)).
    """
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("127.0.0.1", 0))
    _kept.append(keeper)
    return int(keeper.getsockname()[1])


def wait_until(condition: Callable[[], object], what: str, deadline: float = PATIENCE) -> None:
    """Return as soon as `condition()` holds. Raises AssertionError naming `what` after `deadline` seconds."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, f"not within {deadline:g} s: {what}"
        time.sleep(0.02)


def shared(name: str) -> Path:
    """A file or folder of material kept outside the repository. Skips the test, visibly, where it is not there."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"absent: ../shared/{name} (kept outside the repository)")
    return path


class Server:
    """A web server in its own process group: answering once entered, ended with all its workers on leaving.

        with Server.uvicorn("tests.apps.orders_asgi:app", workers=2, env={"APP_STATE": str(tmp_path)}) as server:
            httpx.get(server.url + "/health")

    `{port}` in the command stands for the port. `env` is added to a clean environment. Raises AssertionError with the
    end of the server's output when it ends early or does not answer within `deadline` seconds.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
        port: int | None = None,
        path: str = "/",
        deadline: float = PATIENCE,
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.command = [part.replace("{port}", str(self.port)) for part in command]
        self.env = {**clean_environ(), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(env or {})}
        self.cwd, self.path, self.deadline = cwd, path, deadline
        self._running: Guarded | None = None
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - read until the object goes

    @classmethod
    def uvicorn(cls, app: str, *, workers: int = 1, options: Sequence[str] = (), **settings: object) -> Self:
        """Serve the ASGI application `module:name`."""
        command = [sys.executable, "-m", "uvicorn", app, "--host", "127.0.0.1", "--port", "{port}"]
        keep = ["--timeout-keep-alive", "60"]  # seconds: see gunicorn_conf.py
        return cls([*command, "--workers", str(workers), *keep, *options], **settings)  # type: ignore[arg-type]

    @classmethod
    def gunicorn(cls, app: str, *, workers: int = 1, options: Sequence[str] = (), **settings: object) -> Self:
        """Serve the WSGI application `module:name`."""
        command = [sys.executable, "-m", "gunicorn", app, "--config", str(ROOT / "tests/gunicorn_conf.py")]
        listen = ["--bind", "127.0.0.1:{port}", "--workers", str(workers)]
        return cls([*command, *listen, *options], **settings)  # type: ignore[arg-type]

    @property
    def pid(self) -> int:
        """The process id of the running server (the parent of its workers), for tests that kill it."""
        assert self._running is not None, "the server is not running"
        return self._running.pid

    @property
    def output(self) -> str:
        """What the server has written so far, over all its starts."""
        return os.pread(self._output.fileno(), 1 << 24, 0).decode(errors="replace")

    def start(self) -> None:
        """Start it and wait until it answers any HTTP status at `path`."""
        assert self._running is None, "the server is already running"
        self._running = Guarded(self.command, env=self.env, cwd=self.cwd, output=self._output)
        end = time.monotonic() + self.deadline
        while not self._answers():
            ended = self._running.poll() is not None
            if ended or time.monotonic() > end:
                self.stop()
                why = "ended before it answered" if ended else f"did not answer within {self.deadline:g} s"
                raise AssertionError(f"{' '.join(self.command)} {why}:\n{self.output[-4000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it and everything in its group; `start` may follow, on the same port."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if kind is not None:
            sys.stderr.write(f"--- output of {' '.join(self.command)}\n{self.output[-4000:]}\n")

    def _answers(self) -> bool:
        # As patient as whoever waits: a question that is given up is asked again, and may be recorded twice.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.deadline)
        try:
            connection.request("GET", self.path)
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True
