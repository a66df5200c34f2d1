"""Captures that are open at once: each draft has what was done while its own was, whichever began or ended first."""

from __future__ import annotations

import itertools
from pathlib import Path
from queue import Queue

import pytest

from assembler import AssemblyError, DraftStatus
from assembler.document import load_profile
from recorder.captures import Subject
from recorder.manifest import Capture
from tests.assembler.deployment import Deployment, contents, status_of

ALL, RUN = "everything", "one-run"
ORDERS = [
    order
    for order in itertools.permutations(["+all", "+run", "-all", "-run"])
    if order.index("+all") < order.index("-all") and order.index("+run") < order.index("-run")
]
"""Every order in which two captures can begin and end."""
LOGIN = "user=ada&password=open+sesame+42"
SENT = ("cookie", "sid=a8f3d9c27be4415f")


@pytest.fixture
def site(tmp_path: Path) -> Deployment:
    site = Deployment(tmp_path)
    site.run("dry-creek", {"active.cfg": "a"})
    return site


def record(site: Deployment, order: tuple[str, ...]) -> dict[str, list[str]]:
    """Requests to a run and to none after each beginning and end. Returns what each capture is to hold."""
    site.form("/login", LOGIN, cookies=["sid=a8f3d9c27be4415f; Path=/"])
    began: dict[str, Capture] = {}
    held: dict[str, list[str]] = {"all": [], "run": []}
    for number, change in enumerate(order):
        sign, scope = change[0], change[1:]
        if sign == "-":
            site.end(began.pop(scope))
        else:
            began[scope] = site.start(ALL) if scope == "all" else site.start(RUN, "dry-creek")
        for path in (f"/runs/dry-creek/active/{number}", f"/elsewhere/{number}"):
            site.send("GET", path, headers=[SENT])
            if "all" in began:
                held["all"].append(path)
            if "run" in began and "runs" in path:
                held["run"].append(path)
    return held


def steps(site: Deployment, slug: str) -> tuple[list[str], list[str]]:
    """Paths of the prologue and of the steps of a draft."""
    profile = load_profile(site.data_root / "profiles/_drafts" / slug / "profile.yaml")
    return [str(step.path) for step in profile.prologue], [
        str(step.path).replace("{{ run_id }}", "dry-creek").replace("{{ config }}", "active") for step in profile.steps
    ]


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_each_has_its_own_steps(site: Deployment, order: tuple[str, ...]) -> None:
    held = record(site, order)
    for slug in (ALL, RUN) if order[-1] == "-all" else (RUN, ALL):
        assert site.assemble(slug=slug).problems == ()
    assert steps(site, ALL) == (["/login"], held["all"])
    assert steps(site, RUN) == (["/login"], held["run"])


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_a_follower_makes_the_same(site: Deployment, told: Queue[DraftStatus], order: tuple[str, ...]) -> None:
    record(site, order)
    ready = {told.get(timeout=60).directory.name for _ in range(2)}
    assert ready == {ALL, RUN}
    for slug in ready:
        followed = contents(site.data_root / "profiles/_drafts" / slug)
        assert contents(site.assemble(slug=slug, rebuild=True).directory) == followed


def test_two_browsers_are_captured_apart(site: Deployment) -> None:
    browsers = {name: letter * 22 for name, letter in (("first", "a"), ("second", "b"))}
    began = {name: site.captures.start(name, Subject(None, own))["capture_id"] for name, own in browsers.items()}
    for number in range(3):
        for name, own in browsers.items():
            site.send("GET", f"/{name}/{number}", headers=[("cookie", f"recorder_session={own}")])
    for name, own in browsers.items():
        site.captures.end(Subject(None, own), began[name])
    for name in browsers:
        site.assemble(slug=name)
        assert steps(site, name) == ([], [f"/{name}/{number}" for number in range(3)])


@pytest.mark.parametrize("last", ["all", "run"])
def test_of_two_with_one_name_the_one_that_began_last_is_made(
    site: Deployment, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    monkeypatch.setattr("tests.assembler.test_overlapping.RUN", ALL)
    first = "all" if last == "run" else "run"
    held = record(site, (f"+{first}", f"+{last}", f"-{last}", f"-{first}"))
    site.assemble(slug=ALL)
    assert steps(site, ALL)[1] == held[last]


def test_a_capture_inside_another_of_its_name_does_not_take_its_draft_along(
    site: Deployment, monkeypatch: pytest.MonkeyPatch, told: Queue[DraftStatus]
) -> None:
    monkeypatch.setattr("tests.assembler.test_overlapping.RUN", ALL)
    held = record(site, ("+all", "+run", "-run", "-all"))
    made = [told.get(timeout=60) for _ in range(2)]
    assert [status.state for status in made] == ["ready", "ready"]
    (kept,) = (site.data_root / "profiles/_drafts/.previous" / ALL).iterdir()
    assert status_of(kept)["capture_id"] == kept.name
    counted = [status_of(folder)["steps"] for folder in (kept, made[0].directory)]
    assert sorted(counted) == sorted(map(len, held.values()))


# ---------------------------------------------------------------------------------------------------- without an end


def test_a_capture_without_an_end(site: Deployment) -> None:
    site.start("open")
    site.send("GET", "/one")
    status = site.assemble(slug="open")
    assert "The capture was still open; the draft ends with the last event found." in status.warnings
    before = contents(status.directory)
    assert contents(site.assemble(slug="open").directory) == before
    site.send("GET", "/two")
    site.assemble(slug="open")
    assert steps(site, "open")[1] == ["/one", "/two"]


def test_a_capture_of_nothing_and_without_an_end(site: Deployment) -> None:
    site.start("open")
    status = site.assemble(slug="open")
    assert status.problems == ("The capture holds no answered request; there is nothing to replay.",)
    with pytest.raises(AssemblyError, match="did you mean 'open'"):
        site.assemble(slug="opens")
