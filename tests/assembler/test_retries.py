"""A request that was refused for now and sent again is one step, which is sent again as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from assembler.profile import Profile, Retry
from tests.assembler.recorded import Call, api, get, profile_of

ORDER = '{"customer": "Ada"}'


def post(status: int, body: str = ORDER, path: str = "/orders") -> Call:
    return api("POST", path, '{"ok": true}' if status < 300 else '{"error": "later"}', body, status=status)


def steps(profile: Profile) -> list[tuple[str | None, int | None, Retry | None]]:
    return [(s.path, s.expect.status if s.expect else None, s.retry) for s in profile.steps]


@pytest.mark.parametrize(
    ("refused", "attempts"), [([429], 5), ([503], 5), ([429, 503, 429], 5), ([429, 429, 429, 429, 429, 429], 7)]
)
def test_it_is_one_step(tmp_path: Path, refused: list[int], attempts: int) -> None:
    profile = profile_of(tmp_path, [*map(post, refused), post(201)])
    assert steps(profile) == [("/orders", 201, Retry(on=sorted(set(refused)), attempts=attempts, limited=429 in refused))]


def test_reads_in_between_make_no_difference(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, [post(429), get("/limits", "<p>wait</p>"), post(201)])
    assert [(path, status) for path, status, _ in steps(profile)] == [("/limits", 200), ("/orders", 201)]
    assert profile.steps[1].retry == Retry(on=[429], attempts=5, limited=True)


@pytest.mark.parametrize(
    "calls",
    [
        [post(201), post(201)],
        [post(500), post(201)],
        [post(429), post(201, '{"customer": "Bob"}')],
        [post(429), post(201, path="/bills"), post(201)],
        [post(429), post(429)],
        [post(429)],
    ],
    ids=["twice", "broken", "another body", "something else first", "never taken", "not sent again"],
)
def test_what_is_no_retry_stays_as_it_was(tmp_path: Path, calls: list[Call]) -> None:
    found = steps(profile_of(tmp_path, calls))
    assert found == [(call.path, call.status, None) for call in calls]


def test_a_read_that_was_refused_is_a_wait(tmp_path: Path) -> None:
    refused = [api("GET", "/orders", "{}", status=status) for status in (429, 429, 200)]
    (step,) = profile_of(tmp_path, refused).steps
    assert step.retry is None
    assert step.wait is not None
    assert step.wait.until is not None
    assert step.wait.until.status == 200
