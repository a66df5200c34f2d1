"""Records of anything that an application may pass on, and whether what is read is what was written."""

from __future__ import annotations

import math
import random
from typing import Any

from recorder.events import Event, envelope, jsonable

__all__ = ["anything", "as_read", "exotic_text", "record_of"]

_PIECES = (
    "", "a", "Ada Lovelace-Krüger", "\u2028\u2029", "\0", "\x1e", "\r\n\r\n", "\n", "\x1b]0;x\x07", "\ud800", "\udfff\ud83d", "\U0001f600",
    '{"v":1,"id":"forged","category":"system_log"}', "\\", '"', "\ufeff", "\u202e", "é" * 50, "\x7f\x80\x9b", "\ufffe\uffff",
)  # fmt: skip
_NUMBERS = (0, -1, 2**53 + 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**400, 0.1, -0.0, 1e308, 5e-324,
            math.nan, math.inf, -math.inf)  # fmt: skip


def exotic_text(chance: random.Random) -> str:
    """Text that is hard on whoever writes lines."""
    if chance.random() < 0.1:
        return "".join(chr(chance.randrange(0x11_0000)) for _ in range(chance.randrange(30)))
    return "".join(chance.choices(_PIECES, k=chance.randrange(4)))


def anything(chance: random.Random, depth: int = 0) -> Any:
    """A value as a job's argument may be."""
    kind = chance.randrange(9 if depth < 4 else 6)
    if kind < 2:
        return exotic_text(chance)
    if kind == 2:
        return chance.choice(_NUMBERS)
    if kind == 3:
        return chance.choice((None, True, False))
    if kind == 4:
        return chance.randbytes(chance.randrange(20))  # not UTF-8, most of the time
    if kind == 5:
        return chance.getrandbits(chance.randrange(1, 80)) - 2**40
    if kind == 6:
        return {exotic_text(chance): anything(chance, depth + 1) for _ in range(chance.randrange(4))}
    return [anything(chance, depth + 1) for _ in range(chance.randrange(4))]


def record_of(value: Any, headers: list[list[str]]) -> Event:
    """A record that holds the value as a job's argument, and headers as they came."""
    payload = {"job_id": "j", "args": jsonable([value]), "kwargs": {}, "headers": headers}
    return envelope("rq_enqueue", None, payload)


def as_read(value: Any) -> Any:
    """What has to be read where this was written (docs/formats.md, Event), worked out another way than it was written."""
    if isinstance(value, str):
        return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in _joined(value))
    if isinstance(value, dict):
        return {as_read(key): as_read(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_read(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"repr": "NaN" if value != value else "Infinity" if value > 0 else "-Infinity", "type": "builtins.float"}
    if isinstance(value, bytes) or (type(value) is int and not -(2**63) <= value < 2**64):
        return {"repr": repr(value)[:500], "type": f"builtins.{type(value).__name__}"}
    return value


def _joined(text: str) -> str:
    """Two surrogates that make a pair are one character."""
    found, at = [], 0
    while at < len(text):
        if "\ud800" <= text[at] <= "\udbff" and "\udc00" <= text[at + 1 : at + 2] <= "\udfff":
            found.append(chr(0x10000 + ((ord(text[at]) - 0xD800) << 10) + ord(text[at + 1]) - 0xDC00))
            at += 2
        else:
            found.append(text[at])
            at += 1
    return "".join(found)
