"""Times and durations in texts: they move with the clock, measured ones are not compared, everything else is."""

from __future__ import annotations

import pytest

from playback.answers import Comparer
from playback.bijection import Bijection, Moment

RECORDED, LIVE = 1795171266.0, 1795171266.0 + 3 * 86400  # replayed three days later
MOMENT = Moment(RECORDED, LIVE)


def problem(recorded: str, live: str) -> str | None:
    match = Bijection(set).text(recorded, live, MOMENT)
    return match.problem or ("owed" if match.owed else None)


@pytest.mark.parametrize(
    ("recorded", "live"),
    [
        ("made 2026-11-20T10:41:06.123456Z", "made 2026-11-23T10:41:07Z"),
        ("Nov. 20, 2026, 10:41 a.m.", "Nov. 23, 2026, 10:42 a.m."),
        ("Fri, 20 Nov 2026 10:41:06 GMT", "Mon, 23 Nov 2026 10:41:06 GMT"),
        ("due 2017-12-04", "due 2017-12-04"),
        ("on 2026-11-20", "on 2026-11-23"),
        ("Queries took 3.21ms", "Queries took 12.04ms"),
        ("Generated in 0.02 seconds", "Generated in 1.31 seconds"),
        ("changed just now", "changed 2 seconds ago"),
        ("changed a minute ago by Ada", "changed 34 seconds ago by Ada"),
        ("a second ago", "now"),
        ("less than a minute ago", "1 minute ago"),
        ("seen 58s ago", "seen 1m ago"),
        ("59 seconds from now", "1 minute from now"),
    ],
)
def test_harmless(recorded: str, live: str) -> None:
    assert problem(recorded, live) is None


@pytest.mark.parametrize(
    ("recorded", "live"),
    [
        ("made 2026-11-20T10:41:06Z", "made 2026-11-19T10:41:06Z"),
        ("made 2026-11-20T10:41:06Z", "made 2026-11-23"),
        ("due 2017-12-04", "due 2017-12-05"),
        ("on 2026-11-20", "on 2026-11-22"),
        ("3 users", "4 users"),
        ("3 messages", "4 messages"),
        ("half-life 0.5 s", "half-life 0.7 s"),
        ("5 nodes", "6 nodes"),
        ("changed just now", "changed 2 days ago"),
        ("changed 2 days ago", "changed never"),
        ("now", "an hour ago"),
        ("seen 2m ago", "seen 2d ago"),
        ("act now", "act later"),
        ("3 seconds to go", "4 seconds to go"),
    ],
)
def test_a_regression(recorded: str, live: str) -> None:
    assert problem(recorded, live) is not None


def listed(recorded: list[int], live: list[int]) -> bool:
    comparer = Comparer(Bijection(set), MOMENT, "step")
    comparer.json("body:", {"when": recorded}, {"when": live})
    comparer.settle()
    return bool(comparer.mismatches)


def test_a_time_in_parts_moves_with_the_clock() -> None:
    assert not listed([2026, 11, 20, 10, 41, 6], [2026, 11, 23, 10, 41, 9])
    assert not listed([2026, 11, 20, 10, 41, 6, 4, 324, 0], [2026, 11, 23, 10, 41, 9, 0, 327, 0])
    assert listed([2026, 11, 20, 10, 41, 6], [2026, 11, 21, 10, 41, 6])
    assert listed([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 7])
