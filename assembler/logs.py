"""The audit logs of one deployment, read as they grow: where they are, how far each was read, what in it was no event."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from types import NoneType
from typing import Any

import orjson

from assembler.places import Place, record_at, records_at
from assembler.soundness import fault, is_path
from recorder.events import VERSION
from recorder.generations import BrokenFileError, Generations
from recorder.log import LOG_NAME, parse
from recorder.reader import Reader, Seen

__all__ = ["AssemblyError", "AuditLog", "locate", "logs_listed"]

_KEPT = 5_000
"""Records of no capture that are kept of a log from before a window begins, to find the login that its cookies came
from, and as many from after that."""
_KEYS = {"operation_id", "parent_id", "writer", "sequence", "timestamp", "boot_id", "mono_ns", "stage", "capture_ids"}
_TOLD = 3
"""Places of lines that were no events which a warning names."""
_BITS = 48
_OFFSET = (1 << _BITS) - 1
_UNCAPTURED = b',"capture_ids":[]}'
_OF_NOBODY = re.compile(
    rb'\{"v":%d,"id":"\w{26}","operation_id":"(\w{26})","parent_id":(?:null|"(\w{26})"),"writer":"(\w{26})",'
    rb'"sequence":(\d{1,15}),"timestamp":"([0-9T:.Z-]{27})","boot_id":"[\w-]{1,64}","mono_ns":\d{1,20},'
    rb'"category":"http_request","stage":"(?:started|finished)","payload":\{' % VERSION
)
"""How the recorder begins a request's record; one of no capture ends with `_UNCAPTURED`."""


class AssemblyError(ValueError):
    """A draft that cannot be made; the message says what is missing and what to do."""


class AuditLog:
    """One audit log, in all the files it became, and how far it was read.

    A position is a whole number that tells the file and the offset in its text: light to keep, for as long as this lives.
    """

    def __init__(self, path: Path, run_id: str | None = None) -> None:
        self.path = path
        self.run_id = run_id
        self._reader = Reader(path)
        self._seen = Seen()
        self._bad: list[str] = []
        self._bad_count = 0
        self._before: deque[tuple[int, str]] = deque(maxlen=_KEPT)
        self._during: deque[tuple[int, str]] = deque(maxlen=_KEPT)

    def pull(
        self, *, rest: bool = False, operations: Collection[str] | None = None
    ) -> Iterator[tuple[int, dict[str, Any] | str]]:
        """The events that the log gained since the last call, each with its position, the oldest file first.

        An unfinished last line waits, unless `rest`. A record that stands in two files comes once. With `operations`, a
        request of no capture that belongs to none of them is not parsed, and comes as its timestamp alone: most of a log
        are such, and `records` looks at those that are wanted.
        """
        last, again, others = self._seen.last, self._seen.again, _OF_NOBODY.match
        for generation, lines in self._reader.blocks(rest=rest):
            number, offset = generation.number << _BITS, generation.offset
            try:
                for line in lines:
                    start = offset
                    offset += len(line) + 1
                    if not line:
                        continue
                    event: dict[str, Any] | str
                    match = others(line) if operations is not None and line.endswith(_UNCAPTURED) else None
                    if match and (not operations or _is_apart(match, operations)):
                        writer, sequence, event = match[3].decode(), int(match[4]), match[5].decode()
                    else:
                        found = _event(line)
                        if isinstance(found, str):
                            self._skip(found, start, generation.file.path)
                            continue
                        writer, sequence, event = found["writer"], found["sequence"], found
                    if last.get(writer) == sequence - 1:
                        last[writer] = sequence
                    elif again(writer, sequence):
                        continue
                    yield number | start, event
            finally:
                generation.offset = offset

    def place(self, position: int) -> Place:
        """Where the record at a position stands, whatever its file will be called."""
        return Place(self.path, position & _OFFSET, self._reader.generations[position >> _BITS].first.id)

    def resume(self, place: Place) -> None:
        """Begin reading at a place. What is older counts as read."""
        self._reader.resume(place.generation, place.offset)

    def needed_from(self, captured: int | None) -> Place | None:
        """Where reading would have to begin to know again what is kept, and what is `captured` from this position on; None
        while nothing was read."""
        if not self._reader.generations:
            return None
        newest = self._reader.generations[-1]
        positions = [newest.number << _BITS | newest.offset]
        positions += [kept[0][0] for kept in (self._before, self._during) if kept]
        return self.place(min(positions if captured is None else [*positions, captured]))

    def keep(self, position: int, timestamp: str, since: str) -> None:
        """Keep a request of no capture. A window that began at `since` is not to push out what came before it."""
        if self._during and self._during[0][1] < since:
            kept, self._during = self._during, deque(maxlen=_KEPT)
            for entry in kept:
                (self._before if entry[1] < since else self._during).append(entry)
        (self._before if timestamp < since else self._during).append((position, timestamp))

    def kept(self) -> Iterator[tuple[Place, dict[str, Any]]]:
        """The requests that were kept."""
        return self.records(position for position, _ in (*self._before, *self._during))

    def records(self, positions: Iterable[int]) -> Iterator[tuple[Place, dict[str, Any]]]:
        """The records at these positions, as they are on the disk now, by file and offset; each file is read once.

        What was removed with its file is passed over, and so is what proves to be no event.
        """
        by_file: dict[str, list[Place]] = {}
        for position in positions:
            place = self.place(position)
            by_file.setdefault(place.generation, []).append(place)
        for places in by_file.values():
            for place, record in self._found(places):
                why = fault(record)
                if why is None:
                    yield place, record
                else:
                    self._skip(f"foreign: {why}", place.offset, self.path)

    def _found(self, places: list[Place]) -> Iterator[tuple[Place, dict[str, Any]]]:
        """The records at places of one file; lines that were not parsed until now may be none."""
        try:
            yield from [*records_at(places)]
        except FileNotFoundError:
            return
        except BrokenFileError:
            for place in places:
                try:
                    yield place, record_at(place)
                except BrokenFileError:
                    self._skip("torn", place.offset, self.path)

    def skipped(self) -> str | None:
        """What was no event and was passed over, and which files could not be read whole."""
        of = f"of run {self.run_id}" if self.run_id else "of RECORDER_ROOT"
        told = []
        if self._bad:
            more = f"; and {self._bad_count - _TOLD} more" if self._bad_count > _TOLD else ""
            told.append(f"The log {of} holds lines that are no events and were skipped: {'; '.join(self._bad)}{more}.")
        if problems := sorted(self._reader.problems.items())[:_TOLD]:
            named = "; ".join(f"{name}: {reason}" for name, reason in problems)
            told.append(f"The log {of} has files that could not be read whole: {named}.")
        return " ".join(told) or None

    def _skip(self, reason: str, offset: int, path: Path) -> None:
        self._bad_count += 1
        if len(self._bad) < _TOLD:
            file = "" if path == self.path else f" of {path.name}"
            self._bad.append(f"{reason}, at byte {offset}{file}")


def _event(line: bytes) -> dict[str, Any] | str:
    """The event in a line, or why there is none."""
    event = parse(line)
    if isinstance(event, str):
        return event
    if event["v"] != VERSION:
        return f"foreign: format version {event['v']!r}"
    if not event.keys() >= _KEYS or not isinstance(event.get("payload"), dict):
        return "foreign: not an event"
    why = fault(event)
    return event if why is None else f"foreign: {why}"


def _is_apart(match: re.Match[bytes], operations: Collection[str]) -> bool:
    """Whether a record is neither of one of the operations nor caused by one."""
    parent = match[2]
    return match[1].decode() not in operations and (parent is None or parent.decode() not in operations)


def logs_listed(root: Path, offset: int) -> tuple[list[tuple[Path, str | None]], int]:
    """Path and run of every log that `root/logs.jsonl` names from `offset` on, and the offset to go on with."""
    found: list[tuple[Path, str | None]] = []
    try:
        file = (root / "logs.jsonl").open("rb")
    except FileNotFoundError:
        return found, offset
    with file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                break
            offset += len(line)
            try:
                entry = orjson.loads(line)
            except ValueError:
                continue
            if (log := _log_named(entry)) is not None:
                found.append((log, entry.get("run_id")))
    return found, offset


def _log_named(entry: object) -> Path | None:
    """The log that a line of `logs.jsonl` names: an audit log in a `_logs`, and nothing else that a file may be."""
    if not isinstance(entry, dict) or not isinstance(entry.get("run_id"), (str, NoneType)):
        return None
    log = entry.get("log")
    if not isinstance(log, str) or not is_path(log) or not log.startswith("/"):
        return None
    path = Path(log)
    return path.resolve() if path.name == LOG_NAME and path.parent.name == "_logs" else None


def locate(source: Path) -> tuple[Path, Path | None]:
    """RECORDER_ROOT and the log that `source` stands for: a RECORDER_ROOT itself, or a run directory whose log names it.

    Raises `AssemblyError` when it is neither.
    """
    source = source.resolve()
    log = source / "_logs" / LOG_NAME
    if (source / "logs.jsonl").exists() or ((source / "_logs").is_dir() and (source / "key").exists()):
        return source, None
    if any(file.live or file.first for file in Generations(log).look()):
        for _, event in AuditLog(log).pull(rest=True):
            if not isinstance(event, str) and event["payload"].get("kind") == "log_opened":
                return Path(event["payload"]["recorder_root"]).resolve(), log
        return source, log
    if (source / "profiles").is_dir() and (source / ".recorder").is_dir():
        return source / ".recorder", None
    raise AssemblyError(
        f"{source} holds no audit log: it is neither a RECORDER_ROOT (with logs.jsonl) nor a run directory "
        f"(with _logs/{LOG_NAME}). "
        "Point --from at the folder that RECORDER_ROOT names (default: .recorder in the application's working directory)."
    )
