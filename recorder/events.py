"""The event: one JSON object a record. This module names its parts and gives it its one line of bytes.

The format is described in docs/formats.md; the writer and the reader are in `recorder.log`.
"""

from __future__ import annotations

import math
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import orjson

if TYPE_CHECKING:
    from recorder.core import Recorder

__all__ = [
    "CLOCK",
    "VERSION",
    "Category",
    "Clock",
    "Event",
    "Operation",
    "RunContext",
    "Session",
    "Stage",
    "boot_id",
    "clean_text",
    "current_operation",
    "encode",
    "envelope",
    "jsonable",
    "now",
    "ulid",
]

VERSION = 1

Event: TypeAlias = dict[str, Any]
Session: TypeAlias = dict[str, str | None]
RunContext: TypeAlias = dict[str, str | None]
Category: TypeAlias = Literal["http_request", "rq_enqueue", "rq_job", "file_upload", "egress", "system_log"]
Stage: TypeAlias = Literal["started", "finished", "failed", "retried", "stopped"] | None


class Operation(NamedTuple):
    """What is going on right now: the cause of whatever is recorded next in this context."""

    operation_id: str
    log_dir: Path
    run_context: RunContext | None = None
    session: Session | None = None
    capture_ids: tuple[str, ...] = ()
    recorder: Recorder | None = None


current_operation: ContextVar[Operation | None] = ContextVar("recorder.current_operation", default=None)
"""The request or job that runs in this context, or None. Threads and tasks started by it inherit it as Python does."""

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_DIGITS = (_CROCKFORD * 8).encode()  # a random byte makes a random digit: each of 32 has 8 of the 256
_IDS = 256  # whose random halves are made at a time: the system is asked once for all of them
_random: Iterator[str] = iter(())
_coarse = (-1, "")
"""The beginning of the ids of one second or so, and of which. One tuple, so that no thread sees half of it change."""


def ulid(milliseconds: int | None = None) -> str:
    """Return a new ULID (26 characters, https://github.com/ulid/spec): time first, then 80 random bits.

    Ids made in different milliseconds sort by time; inside one millisecond their order is random (`mono_ns` orders).
    """
    global _coarse
    if milliseconds is None:
        milliseconds = time.time_ns() // 1_000_000
    second = milliseconds >> 10
    made, beginning = _coarse
    if made != second:
        beginning = "".join([_CROCKFORD[second >> shift & 31] for shift in range(35, -1, -5)])
        _coarse = (second, beginning)
    random = next(_random, None) or _more_random()
    return beginning + _CROCKFORD[milliseconds >> 5 & 31] + _CROCKFORD[milliseconds & 31] + random


def _more_random() -> str:
    global _random
    digits = os.urandom(16 * _IDS).translate(_DIGITS).decode("ascii")
    mine = iter([digits[at : at + 16] for at in range(0, len(digits), 16)])
    first = next(mine)
    _random = mine  # several threads may come here at once: each makes its own, and one of them is gone on with
    return first


def _forget_random() -> None:
    global _random
    _random = iter(())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_random)  # parent and child would go on with the same ones


def now() -> str:
    """Return the time as ISO 8601, UTC, microseconds: `2026-11-20T10:41:06.123456Z`."""
    return _written(time.time_ns())


def _read_boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip() or str(uuid.uuid4())
    except OSError:
        return str(uuid.uuid4())


boot_id: str = _read_boot_id()
"""The boot on which `mono_ns` counts."""

_second = (-1, "")
"""The text of one second, and of which, as in `_coarse`."""


def _written(unix_ns: int) -> str:
    """The time as `now` writes it."""
    global _second
    seconds, fraction = divmod(unix_ns // 1000, 1_000_000)
    made, text = _second
    if made != seconds:
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        _second = (seconds, text)
    return f"{text}{fraction:06d}Z"


class Clock:
    """Where an event's times come from: the machine's own clocks. Who tells of the past brings another."""

    boot_id = boot_id

    unix_ns: Callable[[], int] = staticmethod(time.time_ns)
    """Nanoseconds since 1970, UTC."""

    mono_ns: Callable[[], int] = staticmethod(time.monotonic_ns)
    """Nanoseconds of a clock that never goes back, since the boot `boot_id`."""


CLOCK = Clock()


def envelope(
    category: Category,
    stage: Stage,
    payload: dict[str, Any],
    *,
    operation_id: str | None = None,
    parent_id: str | None = None,
    session: Session | None = None,
    run_context: RunContext | None = None,
    capture_ids: tuple[str, ...] | list[str] = (),
    clock: Clock = CLOCK,
) -> Event:
    """Return an event with every key of the format; `writer` and `sequence` are set when it is written."""
    unix_ns = clock.unix_ns()
    identity = ulid(unix_ns // 1_000_000)
    return {
        "v": VERSION,
        "id": identity,
        "operation_id": operation_id or identity,
        "parent_id": parent_id,
        "writer": None,
        "sequence": None,
        "timestamp": _written(unix_ns),
        "boot_id": clock.boot_id,
        "mono_ns": clock.mono_ns(),
        "category": category,
        "stage": stage,
        "payload": payload,
        "session": session,
        "run_context": run_context,
        "capture_ids": list(capture_ids),
    }


def encode(event: Event) -> bytes:
    """Return the event as one line of UTF-8 JSON without a newline. Never raises, whatever a value is."""
    try:
        return orjson.dumps(event)
    except (TypeError, ValueError, RecursionError):
        return orjson.dumps(jsonable(event))


def clean_text(text: str) -> str:
    """Return the text with every lone surrogate replaced by U+FFFD, so that it has a UTF-8 form."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def jsonable(value: Any, _depth: int = 0) -> Any:
    """Return the value in a form that JSON has, the same for the same value.

    What has none (bytes, dates, NaN, integers beyond 64 bits, objects, nesting beyond 64 levels) becomes
    `{"repr": <first 500 characters>, "type": "module.Name"}`. Never raises.
    """
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is str:
        return clean_text(value)
    if kind is int and -(1 << 63) <= value < 1 << 64:
        return value
    if kind is float and math.isfinite(value):
        return value
    if _depth < 64:
        if kind is list or kind is tuple:
            return [jsonable(item, _depth + 1) for item in value]
        if kind is dict:
            return {_key(key): jsonable(item, _depth + 1) for key, item in value.items()}
    return {"repr": _repr(value), "type": f"{kind.__module__}.{kind.__qualname__}"}


def _key(key: object) -> str:
    if isinstance(key, str):
        return clean_text(key)
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    return _repr(key)


def _repr(value: object) -> str:
    if type(value) is float:
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    try:
        return clean_text(repr(value)[:500])
    except Exception as error:  # a host's __repr__ may do anything
        return f"<repr failed: {type(error).__name__}>"
