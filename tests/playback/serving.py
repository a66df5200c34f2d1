"""The playback service in a thread of the test, over a real socket, with an engine that the test holds in its hand."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import uvicorn

from playback.engine import Options, Progress
from playback.report import Report
from playback.results import write
from playback.service import create_app
from tests.playback.reports import passed
from tests.support import free_port

PROFILE = """
metadata:
  slug: {slug}
  title: {title}
  tags: [{tags}]
steps:
  - id: home
    path: /
"""


def promote(data_root: Path, slug: str, title: str = "A profile", tags: str = "") -> Path:
    """Put a small promoted profile below `data_root`."""
    folder = data_root / "profiles" / slug
    folder.mkdir(parents=True)
    (folder / "profile.yaml").write_text(PROFILE.format(slug=slug, title=title, tags=tags))
    return folder


class FakeEngine:
    """Stands where `playback.engine.replay` does: tells events, waits for `go` or a cancellation, returns a report."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Options, Mapping[str, str]]] = []
        self.report = passed()
        self.error: Exception | None = None
        self.refusal: Exception | None = None
        self.late: Exception | None = None
        self.go = threading.Event()
        self.go.set()
        self.cancelled = threading.Event()

    def __call__(
        self,
        slug: str,
        data_root: Path,
        options: Options,
        environ: Mapping[str, str],
        progress: Progress = lambda event: None,
        cancelled: threading.Event | None = None,
        run_id: str | None = None,
    ) -> Report:
        self.calls.append((slug, options, environ))
        if self.error:
            raise self.error
        run_id = f"profile;;tmp;;{run_id or uuid.uuid4().hex}"
        progress({"event": "run_started", "run_id": run_id, "run_dir": "\x1b[31m"})
        if self.refusal:
            raise self.refusal
        progress({"event": "step_started", "id": "home", "method": "GET", "path": "/", "index": 0, "of": 1})
        while not self.go.wait(0.01):
            if cancelled and cancelled.is_set():
                self.cancelled.set()
                return passed(profile=slug, run_id=run_id, result="interrupted")
        progress({"event": "step_finished", "id": "home", "result": "passed", "status": 200, "index": 0, "of": 1})
        if self.late:
            raise self.late
        self.report.profile, self.report.run_id = slug, run_id
        write(self.report, data_root)
        return self.report


@contextlib.contextmanager
def serving(environ: Mapping[str, str], host: str = "127.0.0.1") -> Iterator[str]:
    """Serve the app on a free port; yields its URL."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(create_app(environ), host, port, log_level="error", timeout_keep_alive=60))
    ready: Any = server
    thread = threading.Thread(target=server.run, daemon=True)
    started = threading.Event()
    original = server.startup

    async def startup(*args: Any, **options: Any) -> None:
        await original(*args, **options)
        started.set()

    ready.startup = startup
    thread.start()
    assert started.wait(60), "the service did not start"
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()
