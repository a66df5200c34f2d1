"""Pauses of the recorded work that a replay owes to what went on behind them."""

from __future__ import annotations

from pathlib import Path

from tests.assembler.recorded import api, form, get, profile_of


def settles(profile_folder: Path, *calls: object) -> list[bool]:
    return [step.settle is not None for step in profile_of(profile_folder, calls).steps]  # type: ignore[arg-type]


def test_a_request_that_acts_waits_straight_after_another(tmp_path: Path) -> None:
    start, publish = api("POST", "/start", "{}"), api("POST", "/publish", "{}", pause=0.3)
    assert settles(tmp_path, start, publish) == [False, True]


def test_who_fills_in_a_form_pauses_too(tmp_path: Path) -> None:
    assert settles(tmp_path, form("/a", "x=1"), get("/b", "<p>form</p>"), form("/b", "y=2", pause=0.3)) == [False] * 3


def test_reads_that_follow_a_pause_may_all_be_early(tmp_path: Path) -> None:
    calls = [form("/start", "x=1"), get("/", "<p>home</p>", pause=0.3), get("/result", "<p>3</p>"), form("/b", "y=2")]
    assert settles(tmp_path, *calls, get("/after", "<p>done</p>")) == [False, True, True, False, False]
