"""Going on after a difference: the work that a step began is still waited for, so that the next steps tell the truth."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from playback.engine import Options, replay
from tests.playback.site import Answer, Site, profile

DOCUMENT = """
metadata: {slug: shop}
steps:
  - id: start
    method: POST
    path: /start
    expect: {status: 200, media_type: application/json, body: start.json}
    wait: {type: status_poll, endpoint: /state, success_state: finished, timeout: 60}
  - id: result
    path: /result
    expect: {status: 200, media_type: application/json, body: result.json}
"""


@pytest.fixture
def site() -> Iterator[Site]:
    asked = itertools.count(1)
    seen = [0]

    def state(sent: str) -> Answer:
        seen[0] = next(asked)
        return Answer({"status": "finished" if seen[0] >= 3 else "started"})

    routes = {
        "/start": lambda sent: Answer({"note": "another"}),
        "/state": state,
        "/result": lambda sent: Answer({"done": seen[0] >= 3}),
    }
    with Site(routes) as running:
        yield running


def test_the_next_step_finds_the_work_done(tmp_path: Path, site: Site) -> None:
    profile(tmp_path, DOCUMENT, {"start.json": {"note": "recorded"}, "result.json": {"done": True}})
    report = replay("shop", tmp_path, Options(site.url, keep_going=True), {})
    assert [(step.id, step.result) for step in report.steps] == [("start", "failed"), ("result", "passed")]
    assert [m.where for m in report.steps[0].mismatches] == ["body:/note"]


def test_after_another_status_nothing_is_waited_for(tmp_path: Path, site: Site) -> None:
    profile(tmp_path, DOCUMENT, {"start.json": {"note": "recorded"}, "result.json": {"done": True}})
    site.routes["/start"] = lambda sent: Answer({"note": "recorded"}, status=500)
    report = replay("shop", tmp_path, Options(site.url, keep_going=True), {})
    assert [step.result for step in report.steps] == ["failed", "failed"]
    assert report.steps[0].wait_ms == 0
