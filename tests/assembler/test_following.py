"""Every capture of a deployment becomes a draft as it ends, whatever became of the others."""

from __future__ import annotations

from collections.abc import Mapping
from queue import Queue
from typing import Any

import pytest

from assembler import DraftStatus
from assembler.assembly import Assembly
from recorder.captures import Subject
from tests.assembler.deployment import JSON, Deployment, status_of
from tests.assembler.followers import following
from tests.support import wait_until

Told = Queue[DraftStatus]


def record(site: Deployment, slug: str, answer: str = "") -> str:
    capture = site.start(slug)
    site.send("GET", f"/{slug}", answer, kind=JSON)
    return site.end(capture)["capture_id"]


def test_each_capture_becomes_a_draft(site: Deployment, told: Told) -> None:
    for slug in ("one", "two"):
        capture_id = record(site, slug)
        status = told.get(timeout=60)
        assert (status.state, status.steps, status.directory.name) == ("ready", 1, slug)
        assert status_of(status.directory)["capture_id"] == capture_id
    assert told.empty()


def test_a_discarded_capture_becomes_none(site: Deployment, told: Told) -> None:
    site.captures.discard(Subject(), site.start("one")["capture_id"])
    record(site, "two")
    assert told.get(timeout=60).directory.name == "two"
    assert told.empty()


def test_a_draft_that_cannot_be_made_is_told_and_the_next_is_made(
    site: Deployment, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = Assembly.finish

    def full(self: Assembly, capture: Mapping[str, Any], *, fresh: bool) -> DraftStatus:
        if capture["slug"] == "one":
            raise OSError(28, "No space left on device")
        return finish(self, capture, fresh=fresh)

    monkeypatch.setattr(Assembly, "finish", full)
    record(site, "one")
    status = told.get(timeout=60)
    assert (status.state, status.directory.name) == ("failed", "one")
    assert "No space left on device" in status.problems[0]
    record(site, "two")
    assert told.get(timeout=60).state == "ready"


def test_an_answer_nested_beyond_all_measure_stops_no_draft(site: Deployment, told: Told) -> None:
    record(site, "deep", "[" * 20_000 + "]" * 20_000)
    assert told.get(timeout=60).state == "ready"


def test_captures_that_had_ended_before_are_left_alone(site: Deployment) -> None:
    record(site, "one")
    queue: Told = Queue()
    with following(site.root, site.data_root, queue.put):
        record(site, "two")
        assert queue.get(timeout=60).directory.name == "two"
    assert queue.empty()


def test_the_log_of_a_new_run_is_followed_at_once(site: Deployment, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of logs says so; nobody waits for the next look at everything."""
    monkeypatch.setattr("assembler.news._EVERYTHING", 3600.0)
    capture = site.start()
    draft = site.data_root / "profiles/_drafts/work/events.jsonl"
    wait_until(draft.exists, "the capture is followed")
    site.run("dry-creek", {"active.cfg": "a"})
    site.send("GET", "/runs/dry-creek/active/page")
    wait_until(lambda: b"dry-creek" in draft.read_bytes(), "the run's records are in the draft")
    site.end(capture)
    assert told.get(timeout=60).steps == 1
