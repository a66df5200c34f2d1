"""Parts of dates, as charts, calendars and headings show them: `1 a.m.`, `Friday`, `Nov 20`, `November 2026`, `{"hour": 13}`.

Unlike a whole date such a part says little, so it may differ only as the clock says: between a recording at a quarter to nine
and a replay at ten past, every hour of a chart is one later, and none is two.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from assembler.months import CALENDAR_WORDS, DAY_NAMES, MONTH_NAMES, day_number, month_number
from playback.moments import Moment

__all__ = ["calendar_number", "in_step"]

_HOUR = r"(?<![\d:.,])(?P<hour>(?:1[0-2]|0?[1-9]) ?(?:[ap]\.m\.|[AP]M|[ap]m)(?![A-Za-z])|\b(?:noon|midnight)\b)"
_DAY = rf"(?P<day>\b(?:(?:Mon|Tue|Tues|Wed|Wednes|Thu|Thur|Thurs|Fri|Sat|Satur|Sun)(?:day)?|{DAY_NAMES})\b)"
_DATE = rf"(?P<date>\b{MONTH_NAMES} \d{{1,2}}(?![\d:]|,? \d)|(?<![\d.:-])\d{{1,2}}\.? {MONTH_NAMES}(?!,? \d))"
_MONTH = (
    rf"(?P<month>(?<!\d )(?<!\d\. )\b{MONTH_NAMES}(?:(?!,? ?\d)| \d{{4}}\b)"
    r"|(?<![\d-])(?:19|20)\d{2}-(?:0[1-9]|1[0-2])(?![\d-]))"
)
_PART = re.compile("|".join((_HOUR, _DAY, _DATE, _MONTH)))
_ISO = re.compile(r"\d{4}-\d{2}")
_WORDS = {"am", "pm", "noon", "midnight", *CALENDAR_WORDS}
"""One of these, in lower case, or `2026-11` is in every text that holds such a part; the pattern itself takes its time."""
_NUMBERED = re.compile(r"(?:^|[a-z]_|_)(year|month|day|hour|weekday|week)$", re.IGNORECASE)
_ZONES = [timedelta(minutes=30 * half) for half in range(-24, 29)]
_DAYS_OF_YEAR = 366


def in_step(recorded: str, live: str, moment: Moment) -> str:
    """`recorded` with those parts of dates that moved as the clock did as `live` has them."""
    if _WORDS.isdisjoint(re.findall(r"[^\W\d_]{2,}", recorded.lower().replace(".m.", "m"))) and not _ISO.search(
        recorded
    ):
        return recorded
    before, after = list(_PART.finditer(recorded)), list(_PART.finditer(live))
    if not before or [m.lastgroup for m in before] != [m.lastgroup for m in after]:
        return recorded
    out, end = "", 0
    for was, now in zip(before, after, strict=True):
        moved = was.group() != now.group() and _fits(str(was.lastgroup), was.group(), now.group(), moment)
        out += recorded[end : was.start()] + (now.group() if moved else was.group())
        end = was.end()
    return out + recorded[end:]


def calendar_number(name: str, recorded: int, live: int, moment: Moment) -> bool:
    """True for a number called a year, month, day, hour or week, which was that of the recording and is that of now."""
    match = _NUMBERED.search(name)
    if match is None:
        return False
    part = match[1].lower()
    return recorded in _parts(part, moment.recorded) and live in _parts(part, moment.live)


def _parts(part: str, seconds: float) -> set[int]:
    """What a clock may show that hangs anywhere on Earth."""
    here = datetime.fromtimestamp(seconds, UTC)
    found: set[int] = set()
    for zone in _ZONES:
        then = here + zone
        if part == "weekday":
            found |= {then.weekday(), then.isoweekday(), then.isoweekday() % 7}
        elif part == "week":
            found |= {then.isocalendar().week, int(then.strftime("%U")), int(then.strftime("%W"))}
        else:
            found.add(int(getattr(then, part)))
    return found


def _fits(kind: str, was: str, now: str, moment: Moment) -> bool:
    if kind == "hour":
        return (_hour(now) - _hour(was)) % 24 in {hours % 24 for hours in moment.steps(3600.0)}
    days = moment.steps(86400.0)
    if kind == "day":
        return (day_number(now) - day_number(was)) % 7 in {passed % 7 for passed in days}
    if kind == "date":
        year = datetime.fromtimestamp(moment.recorded, UTC).year
        return any(_moved(y, was, passed) == _month_and_day(now) for y in (year, year - 1, year + 1) for passed in days)
    before, after = _months(was), _months(now)
    passed_months = {
        (after_.year - before_.year) * 12 + after_.month - before_.month
        for zone in (_ZONES[0], timedelta(), _ZONES[-1])
        for before_ in (datetime.fromtimestamp(moment.recorded, UTC) + zone,)
        for after_ in (datetime.fromtimestamp(moment.live, UTC) + zone,)
    }
    if max(before, after) <= 12:  # without a year
        return (after - before) % 12 in {passed % 12 for passed in passed_months}
    return min(before, after) > 12 and after - before in passed_months


def _hour(text: str) -> int:
    if text in ("noon", "midnight"):
        return 12 * (text == "noon")
    return int(re.match(r"\d+", text).group()) % 12 + 12 * ("p" in text.lower())  # type: ignore[union-attr]


def _month_and_day(text: str) -> tuple[int, int]:
    day = re.search(r"\d{1,2}", text)
    name = re.search(MONTH_NAMES, text)
    assert day is not None
    assert name is not None
    return month_number(name.group()), int(day.group())


def _moved(year: int, text: str, days: int) -> tuple[int, int] | None:
    month, day = _month_and_day(text)
    try:
        moved = date(year, month, day) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return moved.month, moved.day


def _months(text: str) -> int:
    """Months since the year 0; without a year the number of the month."""
    if found := re.fullmatch(r"(\d{4})-(\d{2})", text):
        return int(found[1]) * 12 + int(found[2])
    name = re.search(MONTH_NAMES, text)
    year = re.search(r"\d{4}", text)
    assert name is not None
    return (int(year.group()) * 12 if year else 0) + month_number(name.group())
