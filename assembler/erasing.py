"""Values overwritten in a log with `*`, and put back by name when a draft is made from it.

A tombstone (docs/formats.md) tells for each place what stood there: `/payload/body/@17` is the 17th character of the text
that is stored now. The draft is always made from what is on the disk after overwriting, so a rebuilt one is the same.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from assembler.places import Place, overwrite, records_at
from assembler.recording import Bodies
from assembler.sightings import Sought
from recorder.events import envelope
from recorder.log import Writer
from recorder.seal import Seal

__all__ = ["REDACTED", "Where", "erase", "remember", "strings"]

logger = logging.getLogger("assembler")

REDACTED = "redacted"
"""What stands in a draft for a value that somebody asked to have taken out."""
Where = tuple[str | int, ...]
"""The way to a text below a record's payload."""
_OURS = {
    "sha256", "ref", "media_type", "encoding", "stored_encoding", "method", "scheme", "http_version", "kind", "pseudonym", "pointer",
}  # fmt: skip
"""Keys of a payload whose values are the recorder's own."""


@dataclass
class _Text:
    """One text on the disk, as it will be, and what was in it: offset, length and name of each value."""

    event: dict[str, Any]
    where: Where
    file: Path | None
    text: str
    marks: list[tuple[int, int, str]]


def strings(payload: Any, bodies: Bodies, at: Where = ()) -> Iterator[tuple[Where, str]]:
    """Every text of a payload with the way to it; a body that is stored apart counts as its `text`."""
    if isinstance(payload, str):
        yield at, payload
    elif isinstance(payload, list):
        for index, value in enumerate(payload):
            yield from strings(value, bodies, (*at, index))
    elif isinstance(payload, dict):
        if at in (("request_body",), ("body",)) and payload.get("ref") and (text := bodies.text(payload)) is not None:
            yield (*at, "text"), text
        for key, value in payload.items():
            if key not in _OURS:
                yield from strings(value, bodies, (*at, key))


def erase(
    events: Sequence[dict[str, Any]],
    names: Mapping[str, str],
    places: Mapping[str, Place],
    bodies: Bodies,
    tombstones: list[dict[str, Any]],
    root: Path,
    *,
    word: int = 0,
) -> int:
    """Overwrite every value of `names` (value → what stands for it) in the records of `events`, and in `events`.

    Values shorter than `word` characters are overwritten where they stand alone. What was overwritten is appended to the
    logs and to `tombstones`, with a proof that it was lawful where RECORDER_SEAL is set. Returns the number of places;
    raises OSError when one could not be overwritten.
    """
    if not names:
        return 0
    sought, seal = Sought(names, word), Seal.of_environ()
    held = [
        event
        for event in events
        if event["id"] in places
        and event["payload"].get("kind") not in ("redact", "tombstone")
        and any(sought.find(text) for _, text in strings(event["payload"], bodies))
    ]
    stored = dict(records_at({places[event["id"]] for event in held}))
    if seal is None and any("chain" in record for record in stored.values()):
        logger.warning(
            "The log is sealed, and RECORDER_SEAL is not set here: `wctl audit verify` will take what is overwritten for a change."
        )
    # First all is read: two records may share one body.
    texts = [t for event in held for t in _texts(event, stored[places[event["id"]]], sought, bodies)]
    inside: dict[Place, dict[str, Any]] = {}
    for text in texts:
        if text.file is not None:
            _write(text.file, text.text.encode())
        else:
            place = places[text.event["id"]]
            inside[place] = stored[place]
            _put(stored[place]["payload"], text.where, text.text)
    lines = overwrite(inside)
    writers: dict[Path, Writer] = {}
    touched: dict[str, dict[str, Any]] = {}
    for text in texts:
        touched[text.event["id"]] = text.event
        log = places[text.event["id"]].log.parent
        writer = writers.get(log) or writers.setdefault(log, Writer(log, root, seal=seal))
        for offset, length, name in text.marks:
            payload: dict[str, Any] = {
                "kind": "tombstone",
                "record": text.event["id"],
                "pointer": f"{_pointer(text.where)}/@{offset}",
                "pseudonym": name,
                "length": length,
                "sha256": hashlib.sha256(text.text.encode()).hexdigest(),
            }
            if seal is not None:
                payload["seal"] = seal.redaction(payload, lines.get(text.event["id"]))
            tombstones.append(payload)
            _bury(payload, text.event, writer)
    for writer in writers.values():
        writer.close()
    for event in touched.values():
        event["payload"] = stored[places[event["id"]]]["payload"]
    remember([*touched.values()], tombstones, bodies)
    return sum(len(text.marks) for text in texts)


def remember(events: Sequence[dict[str, Any]], tombstones: Sequence[Mapping[str, Any]], bodies: Bodies) -> None:
    """Put the names of overwritten values back where `*` stands, in `events`."""
    by_record: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for mark in tombstones:
        pointer, _, _ = str(mark.get("pointer")).partition("/@")
        by_record.setdefault(str(mark.get("record")), {}).setdefault(pointer, []).append(mark)
    for event in events:
        wanted = by_record.get(event["id"])
        if wanted is None:
            continue
        for where, text in list(strings(event["payload"], bodies)):
            if marks := wanted.get(_pointer(where)):
                _put(event["payload"], where, _named(text, marks))


def _named(text: str, marks: Sequence[Mapping[str, Any]]) -> str:
    json_like = text.lstrip()[:1] in ("{", "[")
    for mark in sorted(marks, key=_offset, reverse=True):
        start, length, name = _offset(mark), int(mark["length"]), str(mark["pseudonym"])
        if text[start : start + length] != "*" * length:
            continue
        before, after = text[:start], text[start + length :]
        if json_like and re.search(r"[:\[,]\s*$", before) and re.match(r"\s*[,\]}]", after):
            name = f'"{name}"'  # a number had no quotes; a word needs them
        text = before + name + after
    return text


def _offset(mark: Mapping[str, Any]) -> int:
    offset = str(mark["pointer"]).partition("/@")[2]
    return int(offset) if offset.isdigit() else 0


def _texts(event: dict[str, Any], record: dict[str, Any], sought: Sought, bodies: Bodies) -> Iterator[_Text]:
    """The texts of an event that hold one of the values, as they are in its record on the disk."""
    payload = record["payload"]
    for where, text in strings(payload, bodies):
        ref = payload[where[0]].get("ref") if where[1:] == ("text",) and isinstance(payload[where[0]], dict) else None
        fresh, end, marks = "", 0, []
        for start, stop, name in sought.find(text):
            stored = text[start:stop].encode() if ref else orjson.dumps(text[start:stop])[1:-1]
            fresh += text[end:start]
            marks.append((len(fresh), len(stored), name))
            fresh += "*" * len(stored)
            end = stop
        if marks:
            yield _Text(event, where, bodies.path(ref) if ref else None, fresh + text[end:], marks)


def _write(path: Path, content: bytes) -> None:
    """Put a stored body in the place of the one on the disk, which takes as many bytes."""
    with path.open("r+b") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _bury(payload: dict[str, Any], event: Mapping[str, Any], writer: Writer) -> None:
    writer.append(
        envelope("system_log", None, payload, parent_id=event["operation_id"], run_context=event.get("run_context"))
    )


def _put(payload: Any, where: Where, text: str) -> None:
    for step in where[:-1]:
        payload = payload[step]
    payload[where[-1]] = text
    if where[-1] == "text" and "sha256" in payload:
        payload.pop("ref", None)
        payload["sha256"] = hashlib.sha256(text.encode()).hexdigest()


def _pointer(where: Where) -> str:
    """The pointer to a text; that of a body is the body's."""
    steps = where[:-1] if len(where) == 2 and where[0] in ("request_body", "body") else where
    return "/payload" + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
