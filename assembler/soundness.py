"""Is what calls itself an event one in every field? A draft is made of events that are, and names the others.

A log is read that a machine wrote, a disk kept and anybody may have edited: a bit that turned, a line from elsewhere. JSON
that has an event's keys but not its types (docs/formats.md) would end the making of a draft far from where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from assembler.recording import SCHEME

__all__ = ["fault", "is_path"]

Check: TypeAlias = Callable[[Any], bool]

_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST = 1e12
"""Milliseconds, some 30 years; no record is of anything that took longer."""
_CONTENT = ("text", "ref", "parts", "omitted")


def fault(event: Mapping[str, Any]) -> str | None:
    """What is wrong with an event of this version of the format, as the field that is; None when nothing is."""
    for key, check in _ENVELOPE.items():
        if key not in event or not check(event[key]):
            return f"its {key} is missing or of the wrong kind"
    stages = _STAGES.get(event["category"])
    if stages is None or event["stage"] not in stages:
        return f"no {event['category'][:40]!r} has the stage {str(event['stage'])[:40]!r}"
    payload = event["payload"]
    wanted = _PAYLOADS.get((event["category"], event["stage"] == "started"), {})
    if event["category"] == "system_log":
        wanted = {"kind": _text, **_KINDS.get(payload["kind"], {})} if _text(payload.get("kind")) else {"kind": _text}
    for key, check in wanted.items():
        if key not in payload or not check(payload[key]):
            return f"its payload's {key} is missing or of the wrong kind"
    return None


def _text(value: Any) -> bool:
    return type(value) is str


def _name(value: Any) -> bool:
    return type(value) is str and value != ""


def is_path(value: Any) -> bool:
    """True for a path as a file system can have it (Linux: PATH_MAX, NAME_MAX)."""
    if type(value) is not str or "\0" in value or len(value.encode()) > 4095:
        return False
    return all(len(name.encode()) <= 255 for name in value.split("/"))


def _text_or_none(value: Any) -> bool:
    return value is None or type(value) is str


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _whole(value: Any) -> bool:
    return type(value) is int


def _mapping(value: Any) -> bool:
    return type(value) is dict


def _milliseconds(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 <= value <= _LONGEST)


def _scheme(value: Any) -> bool:
    return type(value) is str and SCHEME.fullmatch(value) is not None


def _status(value: Any) -> bool:
    return value is None or (type(value) is int and 100 <= value <= 999)


def _texts(value: Any) -> bool:
    return type(value) is list and all(type(item) is str for item in value)


def _texts_or_none(value: Any) -> bool:
    return value is None or _texts(value)


def _named_texts(value: Any) -> bool:
    return value is None or (type(value) is dict and all(v is None or type(v) is str for v in value.values()))


def _error(value: Any) -> bool:
    return value is None or (type(value) is dict and _text(value.get("type")) and _named_texts(value))


def _pairs(value: Any) -> bool:
    return type(value) is list and all(
        type(pair) is list and len(pair) == 2 and type(pair[0]) is str and type(pair[1]) is str for pair in value
    )


def _pairs_or_none(value: Any) -> bool:
    return value is None or _pairs(value)


def _timestamp(value: Any) -> bool:
    if type(value) is not str or not _TIMESTAMP.fullmatch(value):
        return False
    try:
        return 1900 <= datetime.fromisoformat(value).year < 9000
    except ValueError:
        return False


def _content(value: Mapping[str, Any], *, within: bool = False) -> bool:
    """A body or, `within` one, a part of it: exactly one content, with the digest of what is stored."""
    held = [key for key in _CONTENT if value.get(key) is not None]
    if len(held) != 1 or not _count(value.get("size")) or not _text_or_none(value.get("media_type")):
        return False
    if held[0] == "parts":
        return not within and type(value["parts"]) is list and all(map(_part, value["parts"]))
    return type(value[held[0]]) is str and (held[0] == "omitted" or _digest(value.get("sha256")))


def _digest(value: Any) -> bool:
    return type(value) is str and _SHA256.fullmatch(value) is not None


def _part(value: Any) -> bool:
    return (
        type(value) is dict
        and "name" in value
        and _text_or_none(value["name"])
        and _text_or_none(value.get("filename"))
        and _pairs(value.get("headers"))
        and _content(value, within=True)
    )


def _body(value: Any) -> bool:
    return value is None or (
        type(value) is dict
        and _content(value)
        and _text_or_none(value.get("encoding"))
        and _text_or_none(value.get("stored_encoding"))
        and type(value.get("truncated")) is bool
        and type(value.get("redactions")) is list
    )


_ENVELOPE: dict[str, Check] = {
    "id": _name, "operation_id": _name, "parent_id": _text_or_none, "writer": _name, "sequence": _whole,
    "timestamp": _timestamp, "boot_id": _text, "mono_ns": _whole, "category": _text, "stage": _text_or_none,
    "payload": _mapping, "session": _named_texts, "run_context": _named_texts, "capture_ids": _texts,
}  # fmt: skip
_STAGES: dict[str, tuple[str | None, ...]] = {
    "http_request": ("started", "finished", "failed"),
    "rq_enqueue": (None,),
    "rq_job": ("started", "finished", "failed", "retried", "stopped"),
    "file_upload": (None,),
    "egress": (None, "started", "finished", "failed"),
    "system_log": (None,),
}
_JOB: dict[str, Check] = {
    "job_id": _name, "function": _text_or_none, "status": _text_or_none, "duration_ms": _milliseconds, "error": _error,
}  # fmt: skip
_PAYLOADS: dict[tuple[str, bool], dict[str, Check]] = {
    ("http_request", True): {"method": _name, "scheme": _scheme, "path": _text, "query": _text, "headers": _pairs},
    ("http_request", False): {
        "request_body": _body, "status": _status, "headers": _pairs_or_none, "body": _body, "duration_ms": _milliseconds,
        "error": _error,
    },
    ("rq_enqueue", False): {
        "job_id": _name, "queue": _text, "function": _text_or_none, "depends_on": _texts_or_none, "status": _text_or_none,
    },
    ("rq_job", True): _JOB,
    ("rq_job", False): _JOB,
}  # fmt: skip
"""What the payload of a category holds; true: of its `started` record."""
_KINDS: dict[str, dict[str, Check]] = {
    "log_opened": {"recorder_root": is_path, "hostname": _text, "pid": _whole},
    "tombstone": {"record": _text, "pointer": _text, "pseudonym": _text, "length": _count, "sha256": _digest},
    "redact": {"record": _text, "pointer": _text},
    "drop": {"records": _texts},
    "lost": {"count": _count, "reason": _text},
    "note": {"message": _text},
}
"""What a `system_log` record of a kind holds, as far as a draft depends on it."""
