"""A time of the replay, told as the recording would have told it: as much earlier as the recording was."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

from assembler.shapes import clock, near
from playback.bijection import Moment

__all__ = ["moved", "moved_number"]

_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})([T ])(\d{2}:\d{2})(?:(:\d{2})(?:([.,])(\d{1,9}))?)?(.*)", re.DOTALL)
_HTTP = re.compile(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT")


def moved(text: str, moment: Moment) -> str | None:
    """`text`, a time, moved from the replay to the recording; itself when it names no time near the replay.

    None when it is written in a way that is not known here.
    """
    seen = clock(text)
    if seen is None or (not seen.daily and not near(seen, moment.live)):
        return text
    if seen.daily:
        return None
    delta = moment.recorded - moment.live
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return _digits(text, delta)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        days = _day(moment.recorded) - _day(moment.live)
        return (date.fromisoformat(text) + days).isoformat()
    if iso := _ISO.fullmatch(text):
        return _iso(iso, delta)
    if _HTTP.fullmatch(text):
        return format_datetime(parsedate_to_datetime(text) + timedelta(seconds=round(delta)), usegmt=True)
    return None


def moved_number(value: int | float, moment: Moment) -> int | float:
    """The same for a number of seconds, milli- or microseconds since 1970."""
    seen = clock(repr(value))
    if seen is None or abs(value) < 1e9 or not near(seen, moment.live):
        return value
    text = _digits(repr(value), moment.recorded - moment.live)
    return int(text) if isinstance(value, int) else float(text)


def _digits(text: str, delta: float) -> str:
    whole, dot, fraction = text.partition(".")
    scale = {10: 1, 13: 1_000, 16: 1_000_000}.get(len(whole), 1)
    return f"{int(whole) + round(delta * scale)}{dot}{fraction}"


def _iso(found: re.Match[str], delta: float) -> str:
    day, letter, minute, second, point, fraction, zone = found.groups()
    then = datetime.fromisoformat(f"{day}T{minute}{second or ''}") + timedelta(seconds=round(delta))
    shown = then.strftime("%H:%M:%S" if second else "%H:%M")
    return f"{then:%Y-%m-%d}{letter}{shown}{(point + fraction) if fraction else ''}{zone}"


def _day(seconds: float) -> timedelta:
    return datetime.fromtimestamp(seconds, UTC).date() - date(1970, 1, 1)
