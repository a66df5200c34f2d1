"""What a replay tells of its jobs while it waits for them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from playback.progress import line
from tests.playback.job_site import WAYS, JobSite, job_site
from tests.playback.site import profile

DOCUMENT = """
metadata: {{slug: shop}}
steps:
  - id: start
    method: POST
    path: /start/{plan}
    expect: {{status: 200}}
    extract: {{job_id: {{json: job_id}}}}
    wait: {{type: job, job: "{{{{ steps.start.job_id }}}}", timeout: {limit}}}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobSite]:
    with job_site(tmp_path_factory.mktemp("jobs")) as site:
        yield site


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("plan", "end"), [("finished", "finished"), ("failed", "failed"), ("never_started", "queued")])
def test_every_change_of_a_tree_is_told_and_nothing_that_was_given_to_a_job(
    site: JobSite, tmp_path: Path, plan: str, end: str, way: str
) -> None:
    told: list[dict[str, Any]] = []
    profile(tmp_path, DOCUMENT.format(plan=plan, limit=0.6 if plan == "never_started" else 5), {})
    site.replayed(tmp_path, "shop", way, told.append)
    trees = [event for event in told if event["event"] == "jobs"]
    assert trees[-1]["id"] == "start"
    assert trees[-1]["tree"]["status"] == end
    assert trees[-1]["tree"].keys() == {"id", "function", "queue", "status", "duration_ms", "children"}
    assert all(before["tree"] != after["tree"] for before, after in itertools.pairwise(trees))
    assert line(trees[-1]) == f"step start: jobs 1 {end}"
    names = [event["event"] for event in told]
    assert names.index("wait_started") < names.index("jobs") < names.index("step_finished")
