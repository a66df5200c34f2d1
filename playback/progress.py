"""The events of a replay as lines for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from playback.summary import visible

__all__ = ["line", "position"]


def line(event: Mapping[str, Any]) -> str:
    """One event in one line. Those without words of their own are told as name and values."""
    name = event.get("event")
    if name == "step_started":
        return f"{_step(event)}: {_short(event.get('method'))} {_short(event.get('path'))}"
    if name == "step_finished":
        return f"{_step(event)}: {', '.join(_outcome(event))}"
    if name == "wait_started":
        return (
            f"step {_short(event.get('id'))} waits for job {_short(event.get('job'))}, {event.get('limit_s')} s at most"
        )
    if name == "jobs":
        return f"step {_short(event.get('id'))}: {_states(event.get('tree'))}"
    if name == "compared":
        return f"file {_short(event.get('target'))}: {_short(event.get('result'))}, {_short(event.get('summary'))}"
    told = ", ".join(f"{key} {_short(value)}" for key, value in event.items() if key != "event" and value is not None)
    return f"{_short(name).replace('_', ' ')}{': ' if told else ''}{told}"


def position(event: Mapping[str, Any]) -> tuple[int, int] | None:
    """How many steps are behind this event, and of how many; None when it does not tell."""
    index, of = event.get("index"), event.get("of")
    if not isinstance(index, int) or not isinstance(of, int):
        return None
    return index + (event.get("event") == "step_finished"), of


def _step(event: Mapping[str, Any]) -> str:
    index, of = event.get("index"), event.get("of")
    place = f" ({index + 1} of {of})" if isinstance(index, int) else ""
    return f"step {_short(event.get('id'))}{place}"


def _outcome(event: Mapping[str, Any]) -> list[str]:
    parts = [_short(event.get("result"))]
    if event.get("status") is not None:
        parts.append(_short(event["status"]))
    if event.get("duration_ms") is not None:
        parts.append(f"{event['duration_ms'] / 1000:.2f} s")
    if event.get("wait_ms"):
        parts.append(f"waited {event['wait_ms'] / 1000:.2f} s")
    if count := event.get("mismatches"):
        parts.append(f"{count} difference{'' if count == 1 else 's'}")
    return parts


def _states(tree: object) -> str:
    """How many jobs of a tree have which state."""
    counts: Counter[str] = Counter()
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            counts[_short(node.get("status"))] += 1
            waiting.extend(node.get("children") or [])
    return "jobs " + ", ".join(f"{number} {status}" for status, number in counts.items())


def _short(value: object) -> str:
    text = visible(str(value))
    return text if len(text) <= 120 else f"{text[:119]}…"
