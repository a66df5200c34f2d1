"""Restarts and losses inside a capture's window, told as notes of its draft."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["breaks"]


def breaks(captured: Sequence[Mapping[str, Any]], opened: Mapping[str, tuple[Path, Mapping[str, Any]]]) -> list[str]:
    """What interrupted the window. `captured` are its events; `opened` is, for each writer, its log and first record."""
    notes = []
    if len({e["boot_id"] for e in captured}) > 1:
        notes.append("The capture spans several boots or machines; order across them is by timestamp.")
    for event in captured:
        if event["category"] == "system_log" and event["payload"].get("kind") == "lost":
            notes.append(f"{event['payload'].get('count')} records were lost: {event['payload'].get('reason')}.")
    for before, after in _restarts(captured, opened):
        notes.append(
            f"The application was restarted during the capture, between {before} and {after}: "
            "processes that began then served all later requests."
        )
    return notes


def _restarts(
    captured: Sequence[Mapping[str, Any]], opened: Mapping[str, tuple[Path, Mapping[str, Any]]]
) -> list[tuple[str, str]]:
    """Last and first record around each moment at which every process that served requests was replaced by newer ones."""
    programs = _programs(opened)
    served: dict[int, tuple[str, str]] = {}
    for event in captured:
        if event["category"] == "http_request" and event["writer"] in programs:
            number, time = programs[event["writer"]][0], event["timestamp"]
            first, last = served.get(number, (time, time))
            served[number] = min(first, time), max(last, time)
    began = dict(programs.values())
    found, reached = [], ""
    for number, (first, last) in sorted(served.items(), key=lambda item: item[1]):
        if reached and first > reached and began[number] > reached:
            found.append((reached, first))
        reached = max(reached, last)
    return found


def _programs(opened: Mapping[str, tuple[Path, Mapping[str, Any]]]) -> dict[str, tuple[int, str]]:
    """Writer to the number of its process and when that first wrote.

    A process opens each log once. Host and pid alone do not tell: a restarted container has the same ones again.
    """
    found: dict[str, tuple[int, str]] = {}
    current: dict[tuple[Any, Any], tuple[int, str, set[Path]]] = {}
    for writer, (log, event) in sorted(opened.items(), key=lambda item: str(item[1][1]["timestamp"])):
        place = (event["payload"].get("hostname"), event["payload"].get("pid"))
        if place not in current or log in current[place][2]:
            current[place] = (len(found), event["timestamp"], set())
        number, began, logs = current[place]
        logs.add(log)
        found[writer] = (number, began)
    return found
