"""Times of a replay, told as the recording would have told them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from assembler.shapes import clock
from playback.bijection import Moment
from playback.clocks_back import moved, moved_number

RECORDED = datetime(2026, 1, 5, 10, 0, tzinfo=UTC).timestamp()
LIVE = datetime(2026, 11, 20, 12, 30, 30, tzinfo=UTC).timestamp()
MOMENT = Moment(RECORDED, LIVE)


@pytest.mark.parametrize(
    ("live", "recorded"),
    [
        ("2026-11-20T12:30:31Z", "2026-01-05T10:00:01Z"),
        ("2026-11-20T12:30:31.123456+00:00", "2026-01-05T10:00:01.123456+00:00"),
        ("2026-11-20T13:30:31+01:00", "2026-01-05T11:00:01+01:00"),
        ("2026-11-20 12:30:31,5", "2026-01-05 10:00:01,5"),
        ("2026-11-20 12:30", "2026-01-05 09:59"),
        ("2026-11-20", "2026-01-05"),
        ("2026-11-21", "2026-01-06"),
        ("Fri, 20 Nov 2026 12:30:31 GMT", "Mon, 05 Jan 2026 10:00:01 GMT"),
        (f"{LIVE + 1:.0f}", f"{RECORDED + 1:.0f}"),
        (f"{(LIVE + 1) * 1000:.0f}", f"{(RECORDED + 1) * 1000:.0f}"),
    ],
)
def test_a_time_near_the_replay_moves(live: str, recorded: str) -> None:
    assert moved(live, MOMENT) == recorded
    before, after = clock(recorded), clock(live)
    assert before is not None
    assert after is not None
    assert MOMENT.fits(before, after), "the comparison takes one for the other"


@pytest.mark.parametrize("text", ["1984-04-05", "2031-01-01T00:00:00Z", "951827696"])
def test_any_other_time_stays(text: str) -> None:
    assert moved(text, MOMENT) == text


@pytest.mark.parametrize("text", ["12:30:31", "20 November 2026"])
def test_a_time_written_in_another_way_is_not_guessed(text: str) -> None:
    assert moved(text, MOMENT) is None


def test_numbers() -> None:
    assert moved_number(int(LIVE) + 1, MOMENT) == int(RECORDED) + 1
    assert moved_number(LIVE + 0.5, MOMENT) == pytest.approx(RECORDED + 0.5)
    assert moved_number(17, MOMENT) == 17
    assert moved_number(4_294_967_296, MOMENT) == 4_294_967_296
