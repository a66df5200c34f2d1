"""An application whose jobs run inside the request (`Queue(is_async=False)`) is recorded and replayed without a worker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis
from rq import Queue

import recorder
from assembler import assemble
from assembler.document import load_profile
from assembler.promote import promote
from playback.engine import Options, replay
from playback.summary import render
from recorder.settings import Settings
from tests.playback.members import serving

SLUG = "at-once"


def double(number: int) -> int:
    return number * 2


def triple(number: int) -> int:
    return number * 3


@pytest.fixture
def app(redis_url: str) -> Callable[..., Any]:
    """Doubles with a job, at once; `work` can be replaced."""
    queue = Queue("at-once", connection=Redis.from_url(redis_url), is_async=False)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        work = triple if environ["PATH_INFO"] == "/double" and changed else double
        job = queue.enqueue(work, 21)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"job_id": job.id, "result": job.return_value()}).encode()]

    changed: list[bool] = []
    app.changed = changed  # type: ignore[attr-defined]
    return app


def test_it_is_green_and_red_without_a_worker(tmp_path: Path, redis_url: str, app: Any) -> None:
    settings = Settings.from_env({"RECORDER_ROOT": str(tmp_path / "recorder"), "RECORDER_CAPTURE": SLUG})
    with serving(recorder.wrap(app, settings)) as url, httpx.Client(base_url=url, trust_env=False) as client:
        assert client.post("/double").json()["result"] == 42
    assert assemble(tmp_path / "recorder", SLUG, tmp_path).problems == ()
    promote(SLUG, tmp_path)
    profile = load_profile(tmp_path / "profiles" / SLUG / "profile.yaml")
    assert not profile.metadata.rq_required
    assert profile.prerequisites.services == []
    for environ in ({}, {"REDIS_URL": redis_url}):
        with serving(app) as url:
            report = replay(SLUG, tmp_path, Options(base_url=url), environ)
        assert report.result == "passed", render(report)
    app.changed.append(True)
    with serving(app) as url:
        report = replay(SLUG, tmp_path, Options(base_url=url), {})
    assert (report.result, report.failing_step) == ("failed", "post-double")
