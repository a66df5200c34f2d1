"""Accepting another job graph: what was chosen, in the recording's own terms; what failed or was not seen is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from assembler import assemble
from playback.engine import Options
from playback.update import NotAcceptable, Pending, replay_for_update
from recorder import jobs
from recorder.workers import listening
from tests.playback.job_site import JobSite, job_site
from tests.playback.site import profile
from tests.support import wait_until

TASKS = "tests.apps.job_tasks"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[JobSite, dict[str, Any]]]:
    """The site, and the draft of one request for each of two plans."""
    folder = tmp_path_factory.mktemp("jobs")
    with job_site(folder, capture="jobs") as site:
        for plan in ("tree", "broken", "retries"):
            httpx.post(f"{site.url}/start/{plan}").raise_for_status()
        for job in site.redis.lrange("made", 0, -1):
            assert jobs.is_settled(jobs.wait(job.decode(), site.redis, 60))
        assemble(folder / "recorder", "jobs", folder)
        yield site, yaml.safe_load((folder / "profiles/_drafts/jobs/profile.yaml").read_text())


class Shop:
    """A profile of one of the plans."""

    def __init__(self, root: Path, site: JobSite, draft: dict[str, Any], plan: str, **more: Any) -> None:
        self.root, self.site = root, site
        (step,) = [{**s, **more} for s in draft["steps"] if s["path"] == f"/start/{plan}"]
        self.step, body = step["id"], step["expect"]["body"]
        document = {**draft, "metadata": {**draft["metadata"], "slug": "shop"}, "steps": [step]}
        answer = site.folder / "profiles/_drafts/jobs" / body
        self.folder = profile(root, yaml.safe_dump(document, sort_keys=False), {body: answer.read_bytes()})

    def replayed(self, change: str, way: str = "redis") -> Pending:
        self.site.redis.set("change", change)
        try:
            return replay_for_update("shop", self.root, Options(self.site.url), self.site.environ(way))
        finally:
            self.site.redis.delete("change")

    def expect(self) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load((self.folder / "profile.yaml").read_text())["steps"][0]["expect"]
        return found


CHANGES = [
    ("tree", "missing", "jobs", f"{TASKS}.sow#3"),
    ("tree", "extra", "jobs", f"{TASKS}.sow#4"),
    ("tree", "order", "job_tree", f"{TASKS}.gather"),
    ("tree", "queue", "job_tree", f"{TASKS}.sow"),
    ("tree", "result", "job_tree", f"{TASKS}.sow#2"),
    ("broken", "better", "jobs", f"{TASKS}.complain"),
    ("broken", "exception", "job_tree", f"{TASKS}.complain"),
]


@pytest.mark.parametrize("way", ["redis", "recorder"])
@pytest.mark.parametrize(("plan", "change", "key", "job"), CHANGES)
def test_another_graph_is_accepted(
    tmp_path: Path, recorded: tuple[JobSite, dict[str, Any]], plan: str, change: str, key: str, job: str, way: str
) -> None:
    """It is then what has to come; and what came before is red."""
    shop = Shop(tmp_path, *recorded, plan)
    before = shop.expect()
    found = shop.replayed(change, way)
    assert list(found.steps) == [shop.step]
    revision = found.revision([shop.step], [])
    assert any(job in line for line in revision.changes.steps[0].details), revision.changes
    revision.write()
    after = shop.expect()
    assert before[key].get(job) != after[key].get(job)
    assert {k: v for k, v in after.items() if not k.startswith("job")} == {
        k: v for k, v in before.items() if not k.startswith("job")
    }
    again = shop.replayed(change, way).report
    assert again.result == "passed", again.as_json()
    assert shop.replayed("", way).report.result == "failed"


def test_what_did_not_change_stays_as_it_was_recorded(tmp_path: Path, recorded: tuple[JobSite, dict[str, Any]]) -> None:
    """Ids and times of the recording, its durations, and how often a job was tried."""
    shop = Shop(tmp_path, *recorded, "tree")
    before = shop.expect()
    shop.replayed("order").revision([shop.step], []).write()
    after = shop.expect()
    assert after["jobs"] == before["jobs"]
    assert after["job_tree"][f"{TASKS}.plant"] == before["job_tree"][f"{TASKS}.plant"]
    gather = before["job_tree"][f"{TASKS}.gather"]
    assert {**after["job_tree"][f"{TASKS}.gather"], "depends_on": gather["depends_on"]} == gather
    other = Shop(tmp_path / "retries", *recorded, "retries")
    tried = other.expect()["job_tree"][f"{TASKS}.struggle"]
    document = other.folder / "profile.yaml"
    document.write_text(document.read_text().replace("result: 7", "result: 8"))
    other.replayed("").revision([other.step], []).write()
    assert {**other.expect()["job_tree"][f"{TASKS}.struggle"], "took": tried["took"]} == tried
    assert tried["tries"] == 3


@pytest.mark.parametrize(("plan", "change"), [("tree", "fails"), ("retries", "hopeless")])
def test_a_job_that_fails_now_is_not_accepted(
    tmp_path: Path, recorded: tuple[JobSite, dict[str, Any]], plan: str, change: str
) -> None:
    shop = Shop(tmp_path, *recorded, plan)
    before = (shop.folder / "profile.yaml").read_bytes()
    with pytest.raises(NotAcceptable, match=r"failed at jobs:.*Mend the application"):
        shop.replayed(change).revision([shop.step], [])
    assert (shop.folder / "profile.yaml").read_bytes() == before


def test_a_graph_that_is_seen_in_part_is_not_accepted(tmp_path: Path, recorded: tuple[JobSite, dict[str, Any]]) -> None:
    """A worker without the recorder does not say what its jobs enqueue: there may be more of them."""
    site, draft = recorded
    shop = Shop(tmp_path, site, draft, "tree", path="/start/plain")
    with site.worker("plain", hooked=False):
        wait_until(lambda: "plain" in listening(site.redis), "the worker listens")
        found = shop.replayed("missing")
    with pytest.raises(NotAcceptable, match=r"no recorder noted who enqueued tests\.apps\.job_tasks\.sow\. Start"):
        found.revision([shop.step], [])
