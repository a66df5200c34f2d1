"""A run that is created while the capture is open, on a site that others use, too."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.assembler.deployment import SLUG, Deployment

CONFIG = {"rusle.cfg": "[general]\n", "_defaults.toml": "[soils]\n"}
COOKIE = "sid=a8f3d9c27be4415f"


@pytest.fixture
def site(tmp_path: Path) -> Deployment:
    """A probe and somebody else have come by; then a browser creates a run, which stores what it was sent."""
    site = Deployment(tmp_path)
    site.send("GET", "/health", headers=[("user-agent", "probe")])
    site.send("GET", "/private", "somebody else's page", headers=[("user-agent", "other"), ("cookie", "sid=theirs")])
    capture = site.start()
    browser = [("user-agent", "browser")]
    site.send("GET", "/", cookies=[f"{COOKIE}; Path=/"], headers=browser)
    browser.append(("cookie", COOKIE))
    site.run("mild-otter", CONFIG | {"project.json": '{"created_at": "2026-11-20T10:00:00Z"}', "notes.txt": "none"})
    site.send("POST", "/create", status=302, headers=browser, cookies=[])
    created = time.time()
    site.send("GET", "/runs/mild-otter/rusle/", "the page of mild-otter", headers=browser)
    run = site.run("mild-otter", {"output.txt": "12.5", "notes.txt": "some"})
    for name in ("output.txt", "notes.txt"):
        os.utime(run / name, (created + 1, created + 1))
    site.end(capture)
    return site


def test_what_its_creation_wrote_is_not_expected_of_a_clone(site: Deployment) -> None:
    status = site.assemble()
    assert any("project.json" in warning for warning in status.warnings)
    assert [each.target for each in site.profile(rebuild=True).comparisons] == ["notes.txt", "output.txt"]
    assert sorted(path.name for path in (status.directory / "seed" / "run").iterdir()) == sorted(CONFIG)


def test_a_draft_holds_nobody_elses_events(site: Deployment) -> None:
    events = (site.assemble().directory / "events.jsonl").read_text()
    assert "/health" not in events
    assert "/private" not in events
    assert events.count('"/create"') == 1


def test_the_first_client_among_the_steps_is_the_main_one(site: Deployment) -> None:
    profile = site.profile()
    assert {step.client for step in profile.steps} == {"main"}
    assert profile.metadata.clients["main"].headers == {"user-agent": "browser"}
    assert profile.metadata.slug == SLUG


def test_a_run_that_was_there_and_has_nothing_to_clone_is_a_problem(tmp_path: Path) -> None:
    site = Deployment(tmp_path)
    site.run("dry-creek", {"data.txt": "x"})
    capture = site.start()
    site.send("GET", "/runs/dry-creek/active/")
    site.end(capture)
    (problem,) = site.assemble().problems
    assert problem.startswith("The run 'dry-creek' was there before the capture began and has no <config>.cfg")
