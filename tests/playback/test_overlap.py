"""Requests that overlapped overlap again with `concurrent`: races show, and what is harmless stays green."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from assembler import assemble
from assembler.profile import Step
from assembler.promote import promote
from playback.engine import Options, replay
from playback.overlap import acted_at_once, overlapping
from playback.report import Report, StepOutcome
from playback.summary import render
from tests.playback.site import Answer, Site, profile
from tests.support import Server

APP = "tests.apps.race_wsgi:app"
SLUG = "race"
TOGETHER = "4"
"""How many come at once; the application lets none of them go on before all are inside."""


def drive(base_url: str) -> None:
    """Four that add at once, and four that each make a thing and look at it."""

    def look(name: str) -> None:
        made = client.post("/things", json={"name": name}).json()
        assert client.get(made["url"]).json()["name"] == name

    with httpx.Client(base_url=base_url, trust_env=False, timeout=60) as client, ThreadPoolExecutor(4) as four:
        list(four.map(lambda number: client.post("/add", json={"number": number}), (1, 20, 300, 4000)))
        assert client.get("/total").json() == {"total": 4321}
        list(four.map(look, ("ada", "bob", "cyd", "dan")))
        assert client.get("/things").json() == {"things": 4}


@contextmanager
def served(app: str = APP, **env: str) -> Iterator[str]:
    with Server.gunicorn(app, options=("--threads", "8"), env=env, path="/health") as server:
        yield server.url


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root that holds the recorded profile: of things, who came first was counted last."""
    root = tmp_path_factory.mktemp("race")
    env = {"RECORDER_ROOT": str(root / "recorder"), "RECORDER_CAPTURE": SLUG, "WRAPPED_APP": APP}
    env |= {"AT_ONCE": TOGETHER, "ORDER": "reversed"}
    with served("tests.apps.wrapped:app", **env) as url:
        drive(url)
    assert assemble(root / "recorder", SLUG, root).problems == ()
    promote(SLUG, root)
    return root


def replayed(root: Path, *, concurrent: bool, **env: str) -> Report:
    with served(AT_ONCE=TOGETHER if concurrent else "1", **env) as url:
        return replay(SLUG, root, Options(base_url=url, concurrent=concurrent), {})


def test_a_lost_update_is_seen_by_those_who_come_at_once(root: Path) -> None:
    report = replayed(root, concurrent=True, MUTANT="1")
    assert (report.result, report.failing_step) == ("failed", "get-total")
    assert [m.where for s in report.steps for m in s.mismatches] == ["body:/total"]
    one_by_one = replayed(root, concurrent=False, MUTANT="1")
    assert one_by_one.result == "passed", render(one_by_one)


def test_what_is_wrong_one_at_a_time_is_wrong_at_once(root: Path) -> None:
    assert replayed(root, concurrent=False, MUTANT="2").failing_step == "get-total"
    assert replayed(root, concurrent=True, MUTANT="2").failing_step == "get-total"


@pytest.mark.parametrize("shift", range(20))
def test_a_harmless_application_stays_green(root: Path, shift: int) -> None:
    """Whichever request was the first to count, in whatever order they were answered."""
    report = replayed(root, concurrent=True, SHIFT=str(shift))
    assert report.result == "passed", render(report)
    recorded = replay(SLUG, root, Options(base_url="http://127.0.0.1:1", dry_run=True), {})
    assert [step.id for step in report.steps] == [step.id for step in recorded.steps]


@pytest.mark.parametrize("concurrent", [True, False])
@pytest.mark.parametrize("order", ["arrival", "reversed"])
def test_which_of_them_counts_first_is_open(root: Path, order: str, concurrent: bool) -> None:
    report = replayed(root, concurrent=concurrent, ORDER=order)
    assert report.result == "passed", render(report)


def test_only_what_acted_at_once_leaves_the_order_open() -> None:
    def steps(*rows: tuple[str, float, float]) -> list[Step]:
        return [Step(id=f"s{n}", method=method, path="/", at=at, took=took) for n, (method, at, took) in enumerate(rows)]

    assert acted_at_once(steps(("POST", 0.0, 0.5), ("GET", 0.1, 0.1), ("POST", 0.4, 0.1)))
    assert not acted_at_once(steps(("POST", 0.0, 0.5), ("GET", 0.1, 0.1), ("POST", 0.5, 0.1)))
    assert not acted_at_once(steps(("GET", 0.0, 0.5), ("GET", 0.1, 0.1), ("POST", 0.4, 0.1)))


# ---------------------------------------------------------------------- the order, on its own


def step(name: str, at: float, took: float, **rest: object) -> Step:
    return Step.model_validate({"id": name, "path": "/", "at": at, "took": took, **rest})


def outcome(name: str, result: str = "passed") -> StepOutcome:
    return StepOutcome(name, "GET", "/", 200, 200, result)


def test_steps_that_overlapped_are_under_way_together() -> None:
    both = threading.Barrier(2, timeout=60)

    def meet(number: int, step: Step) -> StepOutcome:
        if step.id != "c":
            both.wait()
        return outcome(step.id)

    steps = [step("a", 0.0, 1.0), step("b", 0.5, 1.0), step("c", 2.0, 0.1)]
    told = overlapping(steps, meet, keep_going=False, cancelled=threading.Event())
    assert [o.id for o in told] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "later",
    [
        step("b", 1.0, 1.0),
        step("b", 0.5, 1.0, after=["a"]),
        step("b", 0.5, 1.0, headers={"x-id": "{{ steps.a.id }}"}),
        Step.model_validate({"id": "b", "path": "/"}),
    ],
    ids=["came later", "says so", "sends what it gave", "by hand"],
)
def test_what_followed_still_follows(later: Step) -> None:
    second = threading.Event()

    def note(number: int, step: Step) -> StepOutcome:
        if step.id == "b":
            second.set()
        else:
            assert not second.wait(0.2), "b began before a was complete"
        return outcome(step.id)

    told = overlapping([step("a", 0.0, 1.0), later], note, keep_going=False, cancelled=threading.Event())
    assert [o.result for o in told] == ["passed", "passed"]


def test_outcomes_come_as_recorded_and_nothing_begins_after_a_failure() -> None:
    second = threading.Event()

    def act(number: int, step: Step) -> StepOutcome:
        if step.id == "a":
            assert second.wait(60)
        second.set()
        return outcome(step.id, "failed" if step.id == "b" else "passed")

    steps = [step("a", 0.0, 1.0), step("b", 0.1, 0.2), step("c", 5.0, 0.1)]
    told = [(o.id, o.result) for o in overlapping(steps, act, keep_going=False, cancelled=threading.Event())]
    assert told == [("a", "passed"), ("b", "failed")]
    second.clear()
    told = [(o.id, o.result) for o in overlapping(steps, act, keep_going=True, cancelled=threading.Event())]
    assert told == [("a", "passed"), ("b", "failed"), ("c", "passed")]


def test_what_was_not_begun_is_skipped_in_the_report(tmp_path: Path) -> None:
    rows = [("a", 0.0, 1.0), ("b", 0.1, 0.2), ("c", 5.0, 0.1)]
    steps = "".join(
        f"\n  - {{id: {n}, path: /{n}, at: {at}, took: {took}, expect: {{status: 200}}}}" for n, at, took in rows
    )
    profile(tmp_path, f"metadata: {{slug: shop}}\nsteps:{steps}\n", {})
    routes = {"/a": lambda sent: Answer(), "/b": lambda sent: Answer(status=500), "/c": lambda sent: Answer()}
    with Site(routes) as site:
        report = replay("shop", tmp_path, Options(base_url=site.url, concurrent=True), {})
    assert [(s.id, s.result) for s in report.steps] == [("a", "passed"), ("b", "failed"), ("c", "skipped")]
    assert (report.result, report.failing_step) == ("failed", "b")
