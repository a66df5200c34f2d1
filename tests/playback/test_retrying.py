"""A target that says: not now. What is sent again is sent when it asks for that, so often, and so long as a wait may last."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from playback.engine import Options, replay
from playback.report import Report
from tests.playback.site import Answer, Site, profile

ORDER = """
metadata: {slug: shop}
steps:
  - id: order
    method: POST
    path: /orders
    json: '{"customer": "Ada"}'
    expect: {status: 201}
    retry: {on: [429, 503], attempts: 3}
    timeout: 60
"""
POLL = """
metadata: {slug: shop}
steps:
  - {id: state, path: /orders, wait: {type: poll, until: {json: status, equals: done}, timeout: 60}}
"""
STATUS = """
metadata: {slug: shop}
steps:
  - {id: state, action: wait, wait: {type: status_poll, endpoint: /orders, success_state: done, timeout: 60}}
"""
MADE = Answer({"status": "done"}, status=201)


def later(status: int = 429, after: str | None = "0.6") -> Answer:
    return Answer({"error": "later"}, status=status, headers={"retry-after": after} if after else {})


def replayed(folder: Path, text: str, *answers: Answer) -> tuple[Report, list[float]]:
    """The report, and when it was asked; the last answer is given for good."""
    asked: list[float] = []
    following = itertools.chain(answers, itertools.repeat(answers[-1]))

    def route(sent: str) -> Answer:
        asked.append(time.monotonic())
        return next(following)

    profile(folder, text, {})
    with Site({"/orders": route}) as site:
        return replay("shop", folder, Options(site.url), {}), asked


def test_it_is_sent_again_when_it_was_asked_for(tmp_path: Path) -> None:
    report, asked = replayed(tmp_path, ORDER, later(429), later(503), MADE)
    (step,) = report.steps
    assert (report.result, step.status, len(asked)) == ("passed", 201, 3)
    assert all(after - before >= 0.6 for before, after in itertools.pairwise(asked))
    assert step.note == "sent 3 times, refused with 429, 503"
    assert step.wait_ms >= 1200


def test_without_a_time_it_is_sent_again_soon(tmp_path: Path) -> None:
    report, asked = replayed(tmp_path, ORDER, later(after=None), MADE)
    assert (report.result, len(asked)) == ("passed", 2)
    assert asked[1] - asked[0] < 30


def test_what_is_taken_at_once_is_sent_once(tmp_path: Path) -> None:
    report, asked = replayed(tmp_path, ORDER, MADE)
    assert (report.result, len(asked), report.steps[0].note) == ("passed", 1, None)


def test_a_limit_that_no_longer_holds_is_red(tmp_path: Path) -> None:
    limited = ORDER.replace("attempts: 3", "attempts: 3, limited: true")
    report, asked = replayed(tmp_path, limited, MADE)
    assert (report.result, len(asked)) == ("failed", 1)
    assert [(m.where, m.expected, m.actual) for m in report.steps[0].mismatches] == [("retry", "429 or 503", 201)]
    report, asked = replayed(tmp_path, limited, later(after="0.1"), MADE)
    assert (report.result, len(asked)) == ("passed", 2)


@pytest.mark.parametrize(
    ("answers", "times"),
    [([later(after="0.1")], 3), ([later(after="600")], 1), ([Answer({}, status=500)], 1)],
    ids=["always", "too late", "another status"],
)
def test_what_is_not_taken_is_red(tmp_path: Path, answers: list[Answer], times: int) -> None:
    report, asked = replayed(tmp_path, ORDER, *answers)
    assert (report.result, len(asked)) == ("failed", times)
    assert [(m.where, m.expected, m.actual) for m in report.steps[0].mismatches] == [("status", 201, answers[0].status)]
    assert report.duration_s < 50


def test_without_the_key_it_is_sent_once(tmp_path: Path) -> None:
    report, asked = replayed(tmp_path, ORDER.replace("    retry: {on: [429, 503], attempts: 3}\n", ""), later(), MADE)
    assert (report.result, len(asked)) == ("failed", 1)


@pytest.mark.parametrize("text", [POLL, STATUS], ids=["poll", "status_poll"])
@pytest.mark.parametrize("answer", [lambda: later(429), lambda: later(503)], ids=["429", "503"])
def test_waits_keep_the_quiet_too(tmp_path: Path, text: str, answer: Callable[[], Any]) -> None:
    report, asked = replayed(tmp_path, text, answer(), Answer({"status": "done"}))
    assert (report.result, len(asked)) == ("passed", 2), report.as_json()
    assert asked[1] - asked[0] >= 0.6


@pytest.mark.parametrize("text", [POLL, STATUS], ids=["poll", "status_poll"])
def test_a_quiet_beyond_the_limit_ends_with_it(tmp_path: Path, text: str) -> None:
    report, asked = replayed(tmp_path, text.replace("timeout: 60", "timeout: 0.5"), later(after="600"))
    assert (report.result, len(asked)) == ("failed", 2)
    assert report.duration_s < 300
