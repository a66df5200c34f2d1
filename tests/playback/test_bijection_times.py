"""Times and durations in texts: they move with the clock, measured ones are not compared, everything else is."""

from __future__ import annotations

from datetime import UTC, datetime

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


EVENING = datetime(2026, 11, 20, 20, 55, tzinfo=UTC).timestamp()
MONTH_END = datetime(2026, 11, 30, 12, 0, tzinfo=UTC).timestamp()


def later(began: float, days: float, recorded: str, live: str) -> str | None:
    match = Bijection(set).text(recorded, live, Moment(began, began + days * 86400))
    return match.problem or ("owed" if match.owed else None)


HOUR = 1 / 24


@pytest.mark.parametrize(
    ("began", "days", "recorded", "live"),
    [
        (EVENING, 0.2 * HOUR, "1 a.m.", "2 a.m."),
        (EVENING, 0.2 * HOUR, "11 p.m.", "midnight"),
        (EVENING, 0.2 * HOUR, "11 AM to noon", "12 PM to 1 PM"),
        (EVENING, 3, "Friday", "Monday"),
        (EVENING, 3, "Sat: 4 visits", "Tue: 4 visits"),
        (EVENING, 3, "Nov 20", "Nov 23"),
        (EVENING, 12, "20. November", "2. December"),
        (EVENING, 12, "November 2026", "December 2026"),
        (EVENING, 42, "Nov 2026", "Jan 2027"),
        (EVENING, 42, "2026-11", "2027-01"),
        (MONTH_END, 1, "due in November", "due in December"),
        (EVENING, 3, "closed on Friday", "closed on Friday"),
        (EVENING, 3, "4 weeks ago", "1 month ago"),
        (EVENING, 3, "3 days ago", "6 days ago"),
    ],
)
def test_a_part_of_a_date_moves_with_the_clock(began: float, days: float, recorded: str, live: str) -> None:
    assert later(began, days, recorded, live) is None


@pytest.mark.parametrize(
    ("began", "days", "recorded", "live"),
    [
        (EVENING, 0.05 * HOUR, "1 a.m.", "2 a.m."),
        (EVENING, 0.2 * HOUR, "1 a.m.", "3 a.m."),
        (EVENING, 0.2 * HOUR, "1 a.m.", "1 p.m."),
        (EVENING, 0.01, "Friday", "Monday"),
        (EVENING, 3, "Friday", "Sunday"),
        (EVENING, 3, "Nov 20", "Nov 22"),
        (EVENING, 3, "November 2026", "December 2026"),
        (EVENING, 42, "November 2026", "January 2026"),
        (EVENING, 3, "open Mon to Fri", "open Mon to Sun"),
        (EVENING, 3, "3 days ago", "8 days ago"),
        (EVENING, 3, "May I?", "Mar I?"),
    ],
)
def test_a_part_of_a_date_does_not_move_otherwise(began: float, days: float, recorded: str, live: str) -> None:
    assert later(began, days, recorded, live) is not None


def numbered(days: float, recorded: dict[str, int], live: dict[str, int]) -> bool:
    comparer = Comparer(Bijection(set), Moment(EVENING, EVENING + days * 86400), "step")
    comparer.json("body:", recorded, live)
    comparer.settle()
    return bool(comparer.mismatches)


def test_a_part_of_a_date_may_be_a_number() -> None:
    assert not numbered(3, {"year": 2026, "month": 11, "day": 20}, {"year": 2026, "month": 11, "day": 23})
    assert not numbered(0.2 * HOUR, {"start_hour": 20}, {"start_hour": 21})
    assert numbered(3, {"day": 20}, {"day": 26}), "not today"
    assert numbered(3, {"day": 2}, {"day": 5}), "was not today"
    assert numbered(3, {"days": 20}, {"days": 23}), "an amount"


TEHRAN = 1795206290.0  # 2026-11-20 at 20:24:50, and ten minutes later, when it is midnight in Tehran


@pytest.mark.parametrize("passed", [0.0, 600.0, 3 * 86400.0])
@pytest.mark.parametrize("day", ["2026-02-28", "2026-12-04", "2017-12-04"])
def test_a_day_that_is_not_today_stays_where_midnight_is_elsewhere(day: str, passed: float) -> None:
    moment = Moment(TEHRAN, TEHRAN + passed)
    assert Bijection(set).text(f"due {day}", f"due {day[:-1]}{int(day[-1]) + 1}", moment).problem


@pytest.mark.parametrize(
    ("recorded", "passed", "before", "after"),
    [
        (TEHRAN, 600.0, "2026-11-20", "2026-11-21"),  # midnight in Tehran
        (TEHRAN, 4 * 3600.0, "2026-11-20", "2026-11-21"),
        (TEHRAN, 4 * 3600.0, "2026-12-20", "2026-12-21"),  # thirty days from now
        (TEHRAN, 86400.0 + 600, "2026-12-20", "2026-12-21"),
        (TEHRAN, 86400.0 + 600, "2026-02-28", "2026-02-28"),
    ],
)
def test_what_is_today_moves_at_midnight(recorded: float, passed: float, before: str, after: str) -> None:
    assert Bijection(set).text(f"on {before}", f"on {after}", Moment(recorded, recorded + passed)).problem is None
