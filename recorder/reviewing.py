"""The calls of a review: what the assembler made of a capture, what is to be left out of it, and that it is settled.

What a reviewer asks for goes into the log beside the capture, where the assembler finds it: the log alone makes the draft.
"""

from __future__ import annotations

from typing import Any

from recorder import drafts
from recorder.endpoints import Answer, Call, Refusal, emit, sentence
from recorder.manifest import Capture

__all__ = ["commit", "drop", "preview", "redact"]

DROPPED = 2000  # steps' records that one call may name


def preview(call: Call) -> Answer:
    """GET captures/{capture_id}/preview: the draft's steps, once the assembler has written them; 202 until then."""
    capture = _find(call)
    revision = capture.get("revision", 0)
    found = drafts.preview(call.recorder.settings.data_root, capture["slug"], capture["capture_id"], revision)
    return Answer(202, {"state": "assembling"}) if found is None else Answer(200, found)


def redact(call: Call) -> Answer:
    """POST captures/{capture_id}/redact: ask that a value of one record be taken out wherever the capture holds it."""
    call.only("record", "pointer")
    capture = _find(call)
    record, pointer = call.text("record"), call.text("pointer")
    if not record or pointer is None or not pointer.startswith("/"):
        raise Refusal(422, "Say which record (the id of an event) and which pointer (such as '/name') to redact.")
    return _asked(call, capture, {"kind": "redact", "record": record, "pointer": pointer})


def drop(call: Call) -> Answer:
    """POST captures/{capture_id}/drop: ask that requests, named by their records, be no steps of the draft."""
    call.only("records")
    capture = _find(call)
    records = call.fields.get("records")
    if not isinstance(records, list) or not records or not all(isinstance(each, str) and each for each in records):
        raise Refusal(422, "records must be a list of the ids of events, as the preview names them for each step.")
    if len(records) > DROPPED:
        raise Refusal(413, f"A call may name {DROPPED} records; this one names {len(records)}.")
    return _asked(call, capture, {"kind": "drop", "records": records})


def commit(call: Call) -> Answer:
    """POST captures/{capture_id}/commit: have the draft of an ended capture made of what was asked for, with these notes."""
    call.only("notes")
    capture = _find(call)
    if capture["state"] != "ended":
        raise Refusal(409, f"Capture {capture['capture_id']} ({capture['slug']}) is {capture['state']}; end it first.")
    try:
        committed = call.captures.commit(call.subject(), capture["capture_id"], call.text("notes"))
    except LookupError as error:
        raise Refusal(409, sentence(error)) from None
    return Answer(202, {"state": "assembling", "revision": committed.get("revision", 0)})


def _asked(call: Call, capture: Capture, payload: dict[str, Any]) -> Answer:
    """Write a wish down. Whoever made the draft keeps it until the review is committed."""
    noted = {**payload, "capture_id": capture["capture_id"]}
    emit(call, noted, call.captures.log_of(capture).parent, [capture["capture_id"]])
    return Answer(202, {"state": "assembling"})


def _find(call: Call) -> Capture:
    try:
        return call.captures.find(call.subject(), call.parts["capture_id"])
    except LookupError as error:
        raise Refusal(404, sentence(error)) from None
