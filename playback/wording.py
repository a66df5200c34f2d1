"""How the two sides of a mismatch are put into words: clipped, digested, reduced to their shape."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from assembler.shapes import pieces

__all__ = ["by_shape", "clip", "clipped", "escape", "fingerprint", "list_change", "numeric", "shape"]


def fingerprint(content: bytes) -> str:
    return f"{len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()[:16]}…"


def shape(line: str) -> str:
    return "".join(p.text if p.kind == "text" else f"<{p.kind}>" for p in pieces(line))


def by_shape(name: str) -> tuple[str, str]:
    return shape(name), name


def list_change(recorded: Sequence[Any], live: Sequence[Any]) -> str:
    longer, shorter, verb = (recorded, live, "dropped") if len(recorded) > len(live) else (live, recorded, "added")
    known = [json.dumps(v, sort_keys=True, default=str) for v in shorter]
    for index, item in enumerate(longer):
        if json.dumps(item, sort_keys=True, default=str) not in known:
            return f"{verb}: item {index}, {clip(json.dumps(item, default=str), 160)}"
    return f"{abs(len(recorded) - len(live))} {verb}"


def escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def clip(text: str, limit: int = 500) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def clipped(value: Any) -> Any:
    if isinstance(value, str):
        return clip(value)
    if isinstance(value, (dict, list)) and len(shown := json.dumps(value, default=str)) > 500:
        return clip(shown)
    return value


def numeric(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()
