"""The events of a replay as lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playback.summary import visible

__all__ = ["line"]


def line(event: Mapping[str, Any]) -> str:
    """One event in one line: its name, then what it tells."""
    told = ", ".join(
        f"{name} {_short(value)}" for name, value in event.items() if name != "event" and value is not None
    )
    return f"{visible(str(event.get('event', 'event'))).replace('_', ' ')}: {told}" if told else str(event.get("event"))


def _short(value: object) -> str:
    text = visible(str(value))
    return text if len(text) <= 120 else f"{text[:119]}…"
