"""Credentials that were never taken cannot be judged; good ones that are refused later are a failure of the application."""

from __future__ import annotations

from pathlib import Path

import pytest

from playback.engine import Options, replay
from playback.report import Report
from tests.playback.site import TEXT, Answer, Site, profile

STEP = """
  - id: {id}
    path: /{id}
    headers: {{authorization: "Basic ada:{{{{ secrets.{secret} }}}}"}}
    expect: {{status: {status}, media_type: text/plain}}
"""


def run(root: Path, answers: dict[str, int], secrets: dict[str, str], expected: int = 200) -> Report:
    """A replay of one step for each of `answers` (id to status), of which all should have been `expected`."""
    steps = "".join(STEP.format(id=i, secret=secrets[i], status=expected) for i in answers)
    profile(root, f"metadata: {{slug: shop}}\nsteps:{steps}", {})
    routes = {f"/{i}": lambda sent, status=status: Answer("said", TEXT, status) for i, status in answers.items()}
    environ = {f"PROFILE_SECRET_{name}": "a secret" for name in secrets.values()}
    with Site(routes) as site:
        return replay("shop", root, Options(base_url=site.url), environ)


@pytest.mark.parametrize("status", [401, 403])
def test_good_credentials_refused_later_are_a_failure(tmp_path: Path, status: int) -> None:
    report = run(tmp_path, {"list": 200, "save": status}, {"list": "PASSWORD", "save": "PASSWORD"})
    assert (report.result, report.failing_step) == ("failed", "save")


@pytest.mark.parametrize("secrets", [{"list": "PASSWORD"}, {"hello": "TOKEN", "list": "PASSWORD"}])
def test_credentials_that_were_never_taken_cannot_be_judged(tmp_path: Path, secrets: dict[str, str]) -> None:
    answers = {step: 401 if step == "list" else 200 for step in secrets}
    assert run(tmp_path, answers, secrets).result == "error"


def test_a_refusal_that_was_recorded_takes_no_credentials(tmp_path: Path) -> None:
    steps = {"list": "PASSWORD"}
    assert run(tmp_path, {"list": 403}, steps, expected=403).result == "passed"
