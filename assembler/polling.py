"""Repeated reads of one resource until something changed are one step that waits.

The wait is inferred from the recorded answers alone: the field that had one value at the end and others before.
A single read that already found a terminal state is a wait too, for the next run may be slower.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assembler.clients import Owner
from assembler.extractors import Answer
from assembler.own_states import OwnStates
from assembler.profile import Until
from assembler.recording import Exchange
from assembler.shapes import clock, pieces, timed_name
from assembler.sources import json_leaves

__all__ = ["FAILED_STATES", "LATER", "Poll", "collapse", "retries"]

FAILED_STATES = ["failed", "failure", "error", "errored", "stopped", "canceled", "cancelled", "aborted"]
LATER = (429, 503)
"""Statuses that say: not now (RFC 6585, 4; RFC 9110, 15.6.4)."""
_DONE_STATES = {"finished", "done", "completed", "complete", "succeeded", "success", "ready", "ok"}
_STATE_KEYS = ("status", "state", "phase", "stage")
_DONE_KEYS = (
    "completed",
    "complete",
    "done",
    "finished",
    "ready",
    "is_done",
    "is_ready",
    "is_finished",
    "completed_at",
    "finished_at",
    "ended_at",
)
_PROGRESS_KEYS = ("progress", "percent", "percentage", "pct")
_SELECTING = (
    "accept",
    "range",
    "if-none-match",
    "if-modified-since",
    "if-match",
    "if-unmodified-since",
    "authorization",
)
"""Request headers that make another question of the same address: another form, part, or state of it; another asker."""
_PENDING_STATES = {
    "pending", "queued", "waiting", "scheduled", "created", "submitted", "accepted", "new", "deferred", "starting", "started",
    "running", "busy", "working", "processing", "in_progress", "in-progress", "in progress", "inprogress", "active",
}  # fmt: skip


@dataclass
class Poll:
    """One exchange that stands for itself and the earlier, unfinished reads. Times in seconds."""

    index: int
    earlier: list[int] = field(default_factory=list)
    until: Until | None = None
    interval: float | None = None
    recorded: float = 0.0
    refused: list[int] = field(default_factory=list)
    """The statuses of the earlier ones, where those were refused for now and sent again."""


def collapse(
    exchanges: Sequence[Exchange], owners: Sequence[Owner], answers: Sequence[Answer], chosen: Sequence[int]
) -> list[Poll]:
    """`chosen` exchanges in order, repeated reads folded into the one that found what they waited for."""
    folded = {poll.index: poll for poll in retries(exchanges, owners, chosen)}
    dropped = {index for poll in folded.values() for index in poll.earlier}
    chosen = [index for index in chosen if index not in dropped]
    asking = _questions(exchanges, owners, answers, chosen)
    for reads in _groups(exchanges, owners, chosen, asking):
        if (poll := _poll(reads, exchanges, answers)) and poll.index not in folded:
            folded[poll.index] = poll
            dropped.update(poll.earlier)
    own = OwnStates()
    for poll in folded.values():
        if poll.until is not None:
            own.learn(exchanges[poll.index], poll.until, (dict(_flat(answers[i].json)) for i in poll.earlier))

    def single(index: int) -> Until | None:
        if exchanges[index].method != "GET" and index not in asking:
            return None
        return _terminal(answers[index]) or own.until(exchanges[index], dict(_flat(answers[index].json)), FAILED_STATES)

    return [folded.get(index) or Poll(index, until=single(index)) for index in chosen if index not in dropped]


def retries(exchanges: Sequence[Exchange], owners: Sequence[Owner], chosen: Sequence[int]) -> Iterator[Poll]:
    """Requests that act, were refused for now, and were sent again until they were not, by a client that did nothing else
    that acts in between. (Reads that were refused are read until they are answered, as any others.)"""
    waiting: dict[str, list[int]] = {}
    for index in chosen:
        exchange, client = exchanges[index], owners[index].client
        if exchange.safe:
            continue
        before = waiting.pop(client, [])
        again = bool(before) and _again(exchanges[before[-1]], exchange, owners[index])
        if exchange.status in LATER and not exchange.jobs:
            waiting[client] = [*before, index] if again else [index]
        elif again:
            yield Poll(index, before, refused=sorted({exchanges[i].status or 0 for i in before}))


def _again(earlier: Exchange, exchange: Exchange, owner: Owner) -> bool:
    """Whether the second request is the first one, sent again."""
    return _request(earlier, owner) == _request(exchange, owner) and _parts(earlier) == _parts(exchange)


def _parts(exchange: Exchange) -> list[tuple[Any, ...]]:
    parts = (exchange.request_body or {}).get("parts") or []
    return [(part.get("name"), part.get("filename"), part.get("sha256"), part.get("text")) for part in parts]


def _groups(
    exchanges: Sequence[Exchange], owners: Sequence[Owner], chosen: Sequence[int], asking: set[int]
) -> Iterator[list[int]]:
    """Reads of one resource by one client with nothing but reads in between. `asking` are POSTs that only ask."""
    open_: dict[tuple[str, ...], list[int]] = {}
    for index in chosen:
        exchange = exchanges[index]
        if not exchange.safe and index not in asking:
            yield from open_.values()
            open_ = {}
        elif exchange.method == "GET" or index in asking:
            open_.setdefault(_request(exchange, owners[index]), []).append(index)
    yield from open_.values()


def _request(exchange: Exchange, owner: Owner) -> tuple[str, ...]:
    """What makes two requests the same one, sent again."""
    body = (exchange.request_body or {}).get("sha256")
    chosen = (exchange.header(name) or "" for name in _SELECTING)
    return (owner.client, exchange.method, exchange.path, exchange.query, str(body or ""), *chosen)


def _questions(
    exchanges: Sequence[Exchange], owners: Sequence[Owner], answers: Sequence[Answer], chosen: Sequence[int]
) -> set[int]:
    """POSTs that ask for a state (an RPC or GraphQL call): the same request again, answered by pending and at last done.

    A POST usually does something, and sending it once more or once less would hide that it did not. So a state must
    say in words that the first ones found the work unfinished; what merely counts, toggles or moves on is no question.
    """
    same: dict[tuple[str, ...], list[int]] = {}
    found: set[int] = set()
    for index in chosen:
        if exchanges[index].method == "POST" and answers[index].json is not None:
            same.setdefault(_request(exchanges[index], owners[index]), []).append(index)
    for posts in same.values():
        states = [_state(answers[index].json) for index in posts]
        ended = states[-1] in {*_DONE_STATES, *FAILED_STATES}
        if ended and states[0] in _PENDING_STATES and all(s in _PENDING_STATES or s == states[-1] for s in states):
            found.update(posts)
    forms = {_form(exchanges[index], answers[index]) for index in found}
    # Another question of the same form that found its work done at once may have to wait the next time.
    asked = (index for posts in same.values() for index in posts if _state(answers[index].json) in _DONE_STATES)
    return found | {index for index in asked if _form(exchanges[index], answers[index]) in forms}


def _form(exchange: Exchange, answer: Answer) -> tuple[str, ...]:
    return (exchange.path, *(path for path, _ in _flat(answer.json)))


def _state(document: Any) -> str | None:
    """The state a JSON answer tells, in lower case, when it tells exactly one."""
    states = {
        value.lower()
        for path, value in json_leaves(document)
        if isinstance(value, str) and path and str(path[-1]).lower() in _STATE_KEYS
    }
    return states.pop() if len(states) == 1 else None


def _poll(reads: Sequence[int], exchanges: Sequence[Exchange], answers: Sequence[Answer]) -> Poll | None:
    """The wait that `reads` were: they ended when something held that had not held before. Later reads are reads again."""
    for last in range(len(reads) - 1, 0, -1):
        until = _until([answers[i] for i in reads[:last]], answers[reads[last]])
        if until is None:
            continue
        starts = [exchanges[i].started_ns for i in reads[: last + 1]]
        gaps = sorted((b - a) / 1e9 for a, b in itertools.pairwise(starts))
        return Poll(
            reads[last],
            list(reads[:last]),
            until,
            round(gaps[len(gaps) // 2], 3),
            round((starts[-1] - starts[0]) / 1e9, 3),
        )
    return None


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
        if (
            3 <= len(line) <= 200
            and all(p.kind == "text" for p in pieces(line))
            and all(line not in (a.text or "") for a in earlier)
        ):
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
        return Until(json_=path, differs=None) if all(p is None for p in past) and value is not None else None
    stop = (
        [s for s in FAILED_STATES if s != value]
        if isinstance(value, str) and path.rsplit(".", 1)[-1].lower() in _STATE_KEYS
        else []
    )
    return Until(json_=path, equals=value, stop_on=stop)


def _terminal(answer: Answer) -> Until | None:
    """The condition under which a single read found its work already done."""
    document, prefix = answer.json, ""
    if isinstance(document, list) and len(document) == 1:
        document, prefix = document[0], "[0]."
    if not isinstance(document, Mapping):
        return None
    for key, value in document.items():
        name, path = key.lower(), prefix + (key if key.isidentifier() and key.isascii() else f'"{key}"')
        if name in _STATE_KEYS and isinstance(value, str) and value.lower() in _DONE_STATES:
            return Until(json_=path, equals=value, stop_on=[s for s in FAILED_STATES if s != value])
        if name in _STATE_KEYS and value in FAILED_STATES and answer.status < 400:
            # Work that had to fail may be under way when it is asked for the next time.
            return Until(
                json_=path, equals=value, stop_on=[s for s in (*sorted(_DONE_STATES), *FAILED_STATES) if s != value]
            )
        if name in _DONE_KEYS and value is True:
            return Until(json_=path, equals=True)
        if name in _DONE_KEYS and isinstance(value, str) and clock(value) is not None:
            return Until(json_=path, differs=None)
        if name in _PROGRESS_KEYS and value in (100, "100%", "100"):
            return Until(json_=path, equals=value)
    return None


def _flat(document: Any) -> Iterator[tuple[str, Any]]:
    """JMESPath and value of every leaf, lists by index."""
    for path, value in json_leaves(document):
        text = ""
        for part in path:
            if isinstance(part, int):
                text += f"[{part}]"
            else:
                text += ("." if text else "") + (
                    part if part.isidentifier() and part.isascii() else '"' + part.replace('"', '\\"') + '"'
                )
        if text:
            yield text, value
