"""The graph of jobs as replayed against the graph as recorded: each regression is red at its step, and what the application
does not determine stays green. Recorded once, with real workers and a real scheduler; every replay sees Redis alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest
import yaml

from assembler import assemble
from playback.report import JobOutcome, Report
from recorder import jobs
from recorder.workers import listening
from tests.playback.job_site import JobSite, job_site
from tests.playback.site import profile
from tests.support import wait_until

TASKS = "tests.apps.job_tasks"
PLANS = (
    "tree",
    "measured",
    "broken",
    "retries",
    "patience",
    "repeats",
    "later",
    "tomorrow",
    "callbacks",
    "again",
    "several",
    "silent",
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[JobSite, dict[str, Any]]]:
    """The site, and the draft of one request for each plan."""
    folder = tmp_path_factory.mktemp("jobs")
    with job_site(folder, capture="jobs") as site:
        for plan in PLANS:
            httpx.post(f"{site.url}/start/{plan}").raise_for_status()
            if plan == "tomorrow":
                site.redis.rpop("made")  # nobody waits for that
        for job in site.redis.lrange("made", 0, -1):
            found = jobs.wait(job.decode(), site.redis, 60)
            assert jobs.is_settled(found), found
        assemble(folder / "recorder", "jobs", folder)
        yield site, yaml.safe_load((folder / "profiles/_drafts/jobs/profile.yaml").read_text())


@pytest.fixture
def site(recorded: tuple[JobSite, dict[str, Any]]) -> Iterator[JobSite]:
    site, _ = recorded
    site.redis.delete("change")
    yield site
    site.redis.delete("change")


@pytest.fixture
def step(recorded: tuple[JobSite, dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
    """The step that a plan was recorded as."""
    return lambda plan: next(s for s in recorded[1]["steps"] if s["path"] == f"/start/{plan}")


Replay = Callable[..., Report]


@pytest.fixture
def replay(site: JobSite, tmp_path: Path, recorded: tuple[JobSite, dict[str, Any]]) -> Replay:
    """Replays the step of one plan, with one thing changed."""
    folder, draft = site.folder, recorded[1]
    counted = iter(range(100))

    def replay(
        plan: str,
        change: str = "",
        way: str = "redis",
        ignore: Sequence[dict[str, str]] = (),
        tree: Mapping[str, dict[str, Any]] = MappingProxyType({}),
        **more: Any,
    ) -> Report:
        site.redis.set("change", change)
        chosen = [{**copy.deepcopy(s), **more} for s in draft["steps"] if s["path"] == f"/start/{plan}"]
        for name, keys in tree.items():
            chosen[0]["expect"]["job_tree"][name].update(keys)
        body = folder / "profiles/_drafts/jobs" / chosen[0]["expect"]["body"]
        root = tmp_path / str(next(counted))
        document = {**draft, "metadata": {**draft["metadata"], "slug": "shop"}, "steps": chosen, "ignore": list(ignore)}
        profile(root, yaml.safe_dump(document), {chosen[0]["expect"]["body"]: body.read_bytes()})
        return site.replayed(root, "shop", way)

    return replay


def found(report: Report) -> dict[str, tuple[Any, Any]]:
    """What differs in the jobs of the one step: expected and actual by place."""
    assert report.result in ("passed", "failed"), report.error
    return {m.where.replace(f"{TASKS}.", ""): (m.expected, m.actual) for m in report.steps[0].mismatches}


def flat(jobs: list[JobOutcome]) -> list[JobOutcome]:
    return [each for job in jobs for each in (job, *flat(job.children))]


# ---------------------------------------------------------------------------------------------------- what is recorded


def test_the_graph_is_in_the_profile(step: Callable[[str], dict[str, Any]]) -> None:
    expect = step("tree")["expect"]
    assert expect["jobs"] == {
        f"{TASKS}.plant": "finished", f"{TASKS}.sow": "finished", f"{TASKS}.sow#2": "finished", f"{TASKS}.sow#3": "finished",
        f"{TASKS}.gather": "finished",
    }  # fmt: skip
    tree = expect["job_tree"]
    assert tree[f"{TASKS}.plant"]["result"]["beds"] == 3
    assert "parent" not in tree[f"{TASKS}.plant"]
    assert (tree[f"{TASKS}.sow#2"]["queue"], tree[f"{TASKS}.sow#2"]["parent"]) == ("work", f"{TASKS}.plant")
    gather = tree[f"{TASKS}.gather"]
    assert (gather["queue"], gather["result"], len(gather["depends_on"])) == ("other", "3 beds", 3)
    assert gather["took"] >= 0
    assert step("broken")["expect"]["job_tree"][f"{TASKS}.complain"]["exception"].startswith("ValueError: moss ")
    assert step("repeats")["expect"]["job_tree"][f"{TASKS}.water"]["runs"] == 2
    assert step("later")["expect"]["job_tree"][f"{TASKS}.water"]["scheduled"] is True
    assert step("tomorrow")["expect"]["jobs"] == {f"{TASKS}.water": "scheduled"}


# ---------------------------------------------------------------------------------------------------- green


@pytest.mark.parametrize("way", ["redis", "recorder"])
def test_a_tree_passes(replay: Replay, way: str) -> None:
    report = replay("tree", way=way)
    assert found(report) == {}
    jobs = flat(report.steps[0].jobs)
    assert sorted(job.function or "" for job in jobs) == sorted(
        f"{TASKS}.{n}" for n in ("plant", "sow", "sow", "sow", "gather")
    )
    assert all(job.recorded_ms is not None and job.duration_ms is not None for job in jobs)


HARMLESS = [
    ("tree", "shuffled"),  # siblings race: their order is not the application's
    ("tree", "slow"),
    ("measured", ""),  # how long it took
    ("measured", "slow"),
    ("broken", ""),  # a failure that was recorded, with another id in its message
    ("retries", ""),
    ("retries", "luckier"),  # one try less
    ("patience", ""),
    ("repeats", ""),
    ("repeats", "often"),  # goes on repeating after as many runs as were recorded
    ("later", ""),
    ("tomorrow", ""),
    ("callbacks", ""),
    ("again", ""),
    ("again", "sooner"),  # enqueued itself once less
    ("several", ""),
    ("silent", ""),
]


@pytest.mark.parametrize(("plan", "change"), HARMLESS)
def test_what_the_application_does_not_determine_is_green(replay: Replay, plan: str, change: str) -> None:
    report = replay(plan, change)
    assert found(report) == {}, report.as_json()
    assert report.steps[0].jobs


# ---------------------------------------------------------------------------------------------------- red

REGRESSIONS: list[tuple[str, str, dict[str, tuple[Any, Any]]]] = [
    ("tree", "missing", {"jobs:sow#3": ("finished", None)}),
    ("tree", "extra", {"jobs:sow": (None, "finished")}),
    ("tree", "fails", {"jobs:sow#3": ("finished", "failed"), "jobs:gather": ("finished", "deferred_forever")}),
    ("tree", "order", {"jobs:gather:after": ([f"{TASKS}.sow"], [])}),
    ("tree", "queue", {f"jobs:{name}:queue": ("work", "other") for name in ("sow", "sow#2", "sow#3")}),
    ("tree", "result", {"jobs:sow#2:result/0": (4, 6)}),
    ("broken", "better", {"jobs:complain": ("failed", "finished")}),
    ("retries", "hopeless", {"jobs:struggle": ("finished", "failed")}),
    ("callbacks", "ungrateful", {"jobs:thank#2": ("finished", None)}),
    ("callbacks", "direct", {"jobs:thank#2:enqueued by": (f"{TASKS}.water", "the request")}),
    ("several", "second", {"jobs:second": ("finished", "failed")}),
    ("silent", "unheard", {"jobs:unheard": ("finished", "failed")}),
    ("silent", "none", {"jobs:unheard": ("finished", None)}),
]


@pytest.mark.parametrize(("plan", "change", "differences"), REGRESSIONS)
def test_what_changed_is_red_at_its_step(
    replay: Replay, plan: str, change: str, differences: dict[str, tuple[Any, Any]]
) -> None:
    report = replay(plan, change)
    assert found(report) == differences, report.as_json()
    assert report.failing_step == report.steps[0].id


def test_another_exception_is_red(replay: Replay) -> None:
    ((place, (was, now)),) = found(replay("broken", "exception")).items()
    assert place == "jobs:complain:exception"
    assert was.startswith("ValueError: moss")
    assert now.startswith("KeyError: 'moss")


def test_a_failure_brings_its_traceback(replay: Replay) -> None:
    report = replay("tree", "fails")
    (mismatch,) = [m for m in report.steps[0].mismatches if m.actual == "failed"]
    assert "ValueError: bed 2 is dry" in (mismatch.message or "")
    (job,) = [job for job in flat(report.steps[0].jobs) if job.status == "failed"]
    assert "bed 2 is dry" in (job.error or "")


def test_a_difference_in_a_job_can_be_ignored(replay: Replay) -> None:
    rule = {"where": f"jobs:{TASKS}.sow*:result*", "why": "The harvest of a bed is drawn by lot."}
    report = replay("tree", "result", ignore=[rule])
    assert found(report) == {}
    assert report.masked.reasons[f"ignored: {rule['why']}"] == 1


def test_jobs_of_a_worker_without_the_recorder_are_found(replay: Replay, site: JobSite) -> None:
    """What such a worker's jobs enqueue is noted nowhere: it is what came into Redis meanwhile."""
    site.redis.set("change", "")
    with site.worker("plain", hooked=False):
        wait_until(lambda: "plain" in listening(site.redis), "the worker listens")
        # The root runs there; what it enqueues goes to the queues it always goes to.
        queue = {f"{TASKS}.plant": {"queue": "plain"}}
        assert found(replay("tree", "", tree=queue, path="/start/plain")) == {}
        assert found(replay("tree", "missing", tree=queue, path="/start/plain")) == {"jobs:sow#3": ("finished", None)}


@pytest.mark.parametrize("plan", ["tree", "broken", "callbacks", "several"])
def test_one_status_for_all_must_be_what_was_recorded(replay: Replay, plan: str) -> None:
    assert found(replay(plan, way="application")) == {}


@pytest.mark.parametrize(("plan", "change"), [("broken", "better"), ("retries", "hopeless"), ("several", "second")])
def test_one_status_for_all_that_is_another(replay: Replay, plan: str, change: str) -> None:
    assert set(found(replay(plan, change, way="application"))) == {"jobs"}


def test_jobs_that_nothing_names_are_noted_where_redis_cannot_be_read(replay: Replay) -> None:
    report = replay("silent", "unheard", way="recorder")
    assert report.result == "passed"
    assert report.notes == [
        f"Step {report.steps[0].id}: its answer does not name {TASKS}.unheard; without Redis nothing tells of them."
    ]
