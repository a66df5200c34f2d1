"""Which repeated requests were one wait, and which were work done twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assembler.profile import Profile
from tests.assembler.recorded import Call, api, profile_of


def asked(*states: str) -> list[Call]:
    return [api("POST", "/rpc", json.dumps({"state": state, "n": 1}), '{"task": 5}') for state in states]


def steps(profile: Profile) -> list[tuple[str | None, str | None]]:
    return [
        (s.path, s.wait.until.json_ if s.wait is not None and s.wait.until is not None else None) for s in profile.steps
    ]


def test_a_post_that_asks_for_a_state_again_and_again_is_one_wait(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, asked("queued", "running", "running", "done"))
    assert steps(profile) == [("/rpc", "state")]


def test_another_question_of_that_form_may_have_to_wait_too(tmp_path: Path) -> None:
    profile = profile_of(
        tmp_path, [*asked("running", "done"), api("POST", "/rpc", '{"state": "done", "n": 2}', '{"task": 6}')]
    )
    assert steps(profile) == [("/rpc", "state"), ("/rpc", "state")]


@pytest.mark.parametrize(
    "states",
    [("draft", "review"), ("on", "off"), ("done", "done"), ("queued", "paused"), ("done", "running", "done")],
    ids=["moves on", "toggles", "repeats", "never ends", "begins again"],
)
def test_a_post_that_does_something_twice_is_sent_twice(tmp_path: Path, states: tuple[str, ...]) -> None:
    profile = profile_of(tmp_path, asked(*states))
    assert steps(profile) == [("/rpc", None)] * len(states)


def test_posts_with_other_bodies_are_no_wait(tmp_path: Path) -> None:
    calls = [
        api("POST", "/rpc", json.dumps({"state": s}), json.dumps({"task": n})) for n, s in enumerate(("queued", "done"))
    ]
    assert steps(profile_of(tmp_path, calls)) == [("/rpc", None), ("/rpc", None)]


@pytest.mark.parametrize(
    ("state", "status", "waits"),
    [("finished", 200, True), ("failed", 200, True), ("paused", 200, False), ("error", 400, False)],
)
def test_a_single_read_waits_for_an_end_that_may_be_failure(
    tmp_path: Path, state: str, status: int, waits: bool
) -> None:
    read = api("GET", "/jobs/a", json.dumps({"status": state}), status=status)
    (step,) = profile_of(tmp_path, [read]).steps
    assert (step.wait is not None) is waits
    if step.wait is not None and step.wait.until is not None:
        assert step.wait.until.equals == state
        assert state not in step.wait.until.stop_on
        assert {"finished", "failed"} - {state} <= set(step.wait.until.stop_on)


def ticket(number: int, *phases: str) -> list[Call]:
    path = f"/tickets/7b6e2f0c-1d8a-4c55-9a77-0b1f6f4f2c1{number}"
    return [api("GET", path, json.dumps({"phase": phase})) for phase in phases]


def waits(profile: Profile) -> list[object]:
    return [s.wait.until.equals if s.wait is not None and s.wait.until is not None else None for s in profile.steps]


def test_a_word_of_the_application_s_own_that_was_found_at_once_may_take_longer(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, [*ticket(1, "busy", "through"), *ticket(2, "gave up")])
    assert waits(profile) == ["through", "gave up"]
    last = profile.steps[-1].wait
    assert last is not None
    assert last.until is not None
    assert "through" in last.until.stop_on


def test_work_that_was_still_under_way_is_not_waited_for(tmp_path: Path) -> None:
    assert waits(profile_of(tmp_path, [*ticket(1, "busy", "through"), *ticket(2, "busy")])) == ["through", None]


def test_another_kind_of_address_has_states_of_its_own(tmp_path: Path) -> None:
    other = api("GET", "/books/7", json.dumps({"phase": "gave up"}))
    assert waits(profile_of(tmp_path, [*ticket(1, "busy", "through"), other])) == ["through", None]
