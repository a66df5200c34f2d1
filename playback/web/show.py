"""How values are written on a page: times, sizes, counts, and text that is hostile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from playback.jsontext import dumps
from playback.summary import visible

__all__ = ["FILTERS", "inert", "moment"]

_AGO = ((86400 * 365, "y"), (86400 * 30, "mo"), (86400, "d"), (3600, "h"), (60, "min"))


def inert(value: Any) -> Any:
    """What a template prints: text with its unprintable characters made visible, line ends and tabs apart."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in value.split("\n"))


def moment(text: object) -> datetime | None:
    """A time of a report or of an event; None for what is none."""
    if isinstance(text, datetime):
        return text
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _ago(value: object) -> str:
    """How long ago something was, or how long it is until then."""
    if (then := moment(value)) is None:
        return ""
    apart = (datetime.now(UTC) - then).total_seconds()
    if abs(apart) < 60:
        return "just now"
    size, unit = next(pair for pair in _AGO if abs(apart) >= pair[0])
    said = f"{int(abs(apart) // size)} {unit}"
    return f"{said} ago" if apart > 0 else f"in {said}"


def _day(value: object) -> str:
    then = moment(value)
    return then.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if then else str(value)


def _seconds(value: object) -> str:
    if not isinstance(value, (int, float)):
        return "–"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 120:
        return f"{value:.1f} s"
    return f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.1f} h"


def _milliseconds(value: object) -> str:
    return _seconds(value / 1000) if isinstance(value, (int, float)) else ""


def _size(value: int) -> str:
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000  # type: ignore[assignment]
    return f"{value:.1f} GB"


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _share(value: float) -> str:
    return f"{value:.1%}" if value >= 0.001 or not value else "< 0.1%"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{_number(number)} {one if number == 1 else many or one + 's'}"


def _segment(value: object) -> str:
    """A value as one segment of a path."""
    return quote(str(value), safe="", errors="replace")


def _path(value: object) -> str:
    """A relative path as it stands in an address."""
    return quote(str(value), safe="/", errors="replace")


def _plain(value: object) -> str:
    """A value of a document as it is written there."""
    return value if isinstance(value, str) else dumps(value)


FILTERS: dict[str, Callable[..., Any]] = {
    "ago": _ago, "count": _count, "day": _day, "milliseconds": _milliseconds, "number": _number, "path": _path,
    "plain": _plain, "seconds": _seconds, "segment": _segment, "share": _share, "size": _size,
}  # fmt: skip
