"""Repeated reads of one resource until something changed are one step that waits.

The wait is inferred from the recorded answers alone: the field that had one value at the end and others before.
A single read that already found a terminal state is a wait too, for the next run may be slower.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assembler.clients import Owner
from assembler.extractors import Answer
from assembler.profile import Until
from assembler.recording import Exchange
from assembler.shapes import pieces, timed_name
from assembler.sources import json_leaves

__all__ = ["FAILED_STATES", "Poll", "collapse"]

FAILED_STATES = ["failed", "failure", "error", "errored", "stopped", "canceled", "cancelled", "aborted"]
_DONE_STATES = {"finished", "done", "completed", "complete", "succeeded", "success", "ready", "ok"}
_STATE_KEYS = ("status", "state", "phase", "stage")
_DONE_KEYS = ("completed", "complete", "done", "finished", "ready", "is_done", "is_ready", "is_finished", "completed_at", "finished_at", "ended_at")


@dataclass
class Poll:
    """One exchange that stands for itself and the earlier, unfinished reads. Times in seconds."""

    index: int
    earlier: list[int] = field(default_factory=list)
    until: Until | None = None
    interval: float | None = None
    recorded: float = 0.0


def collapse(exchanges: Sequence[Exchange], owners: Sequence[Owner], answers: Sequence[Answer], chosen: Sequence[int]) -> list[Poll]:
    """`chosen` exchanges in order, repeated reads folded into the last of them."""
    polls: list[Poll] = []
    open_: dict[tuple[str, str, str], Poll] = {}
    for index in chosen:
        exchange = exchanges[index]
        if not exchange.safe or exchange.method != "GET":
            open_.clear()
            polls.append(Poll(index))
            continue
        key = (owners[index].client, exchange.path, exchange.query)
        before = open_.get(key)
        if before is not None and (until := _until([answers[i] for i in (*before.earlier, before.index)], answers[index])):
            polls.remove(before)
            earlier = [*before.earlier, before.index]
            starts = [exchanges[i].started_ns for i in (*earlier, index)]
            gaps = sorted((b - a) / 1e9 for a, b in zip(starts, starts[1:], strict=False))
            poll = Poll(index, earlier, until, round(gaps[len(gaps) // 2], 3), round((starts[-1] - starts[0]) / 1e9, 3))
        else:
            poll = Poll(index, until=_terminal(answers[index]))
        polls.append(poll)
        open_[key] = poll
    return polls


def _until(earlier: Sequence[Answer], last: Answer) -> Until | None:
    """What became true of `last` that was true of none of `earlier`."""
    if all(a.status != last.status for a in earlier):
        return Until(status=last.status)
    if last.json is not None:
        return _json_until([a.json for a in earlier], last.json)
    if last.text is None or any(a.text is None for a in earlier):
        return None
    lines = [line.strip() for line in last.text.splitlines()]
    for line in lines:
        if 3 <= len(line) <= 200 and all(p.kind == "text" for p in pieces(line)) and all(line not in (a.text or "") for a in earlier):
            return Until(contains=line)
    return None


def _json_until(earlier: Sequence[Any], last: Any) -> Until | None:
    before = [dict(_flat(document)) for document in earlier]
    best: tuple[int, Until] | None = None
    for path, value in _flat(last):
        past = [b.get(path) for b in before]
        if any(type(p) is type(value) and p == value for p in past) or timed_name(path.rsplit(".", 1)[-1]):
            continue
        until = _condition(path, value, past)
        if until is None:
            continue
        name = path.rsplit(".", 1)[-1].lower()
        rank = (
            0 if name in _STATE_KEYS and isinstance(value, str)
            else 1 if isinstance(value, bool)
            else 2 if name in _DONE_KEYS
            else 3 if any(k in name for k in _STATE_KEYS)
            else 4 if None in past
            else 5 if isinstance(value, (int, float))
            else 6
        )  # fmt: skip
        if best is None or rank < best[0]:
            best = (rank, until)
    return best[1] if best else None


def _condition(path: str, value: Any, past: Sequence[Any]) -> Until | None:
    varies = isinstance(value, str) and any(p.kind not in ("text", "int", "number") for p in pieces(value))
    if varies or (isinstance(value, str) and len(value) > 80):
        return Until(json=path, differs=None) if all(p is None for p in past) and value is not None else None
    stop = [s for s in FAILED_STATES if s != value] if isinstance(value, str) and path.rsplit(".", 1)[-1].lower() in _STATE_KEYS else []
    return Until(json=path, equals=value, stop_on=stop)


def _terminal(answer: Answer) -> Until | None:
    """The condition under which a single read found its work already done."""
    if not isinstance(answer.json, Mapping):
        return None
    for key, value in answer.json.items():
        if key.lower() in _STATE_KEYS and isinstance(value, str) and value.lower() in _DONE_STATES:
            return Until(json=key if key.isidentifier() else f'"{key}"', equals=value, stop_on=[s for s in FAILED_STATES if s != value])
    return None


def _flat(document: Any) -> Iterator[tuple[str, Any]]:
    """JMESPath and value of every leaf, lists by index."""
    for path, value in json_leaves(document):
        text = ""
        for part in path:
            if isinstance(part, int):
                text += f"[{part}]"
            else:
                text += ("." if text else "") + (part if part.isidentifier() and part.isascii() else '"' + part.replace('"', '\\"') + '"')
        if text:
            yield text, value
