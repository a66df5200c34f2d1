"""The audit logs of one deployment, read as they grow: where they are, how far each was read, what in it was no event."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

import orjson

from assembler.soundness import fault
from recorder.events import VERSION
from recorder.log import LOG_NAME, parse

__all__ = ["AssemblyError", "AuditLog", "locate", "logs_listed"]

_KEPT = 5_000
"""Records of no capture that are kept of a log from before a window begins, to find the login that its cookies came
from, and as many from after that."""
_KEYS = {"operation_id", "parent_id", "writer", "sequence", "timestamp", "boot_id", "mono_ns", "stage", "capture_ids"}
_TOLD = 3
"""Places of lines that were no events which a warning names."""


class AssemblyError(ValueError):
    """A draft that cannot be made; the message says what is missing and what to do."""


@dataclass
class AuditLog:
    """One audit log and how far it was read."""

    path: Path
    run_id: str | None = None
    offset: int = 0
    file: tuple[int, int] | None = None
    """Device and inode: another file at `path` is read from its beginning."""
    before: deque[tuple[int, dict[str, Any]]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    during: deque[tuple[int, dict[str, Any]]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    bad: list[tuple[int, str]] = field(default_factory=list)

    def pull(self, *, rest: bool = False) -> Iterator[tuple[int, dict[str, Any]]]:
        """The events appended since the last call, with their offsets. An unfinished last line waits, unless `rest`."""
        try:
            stat = self.path.stat()
            file = self.path.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            return
        if self.file != (stat.st_dev, stat.st_ino) or stat.st_size < self.offset:
            self.file, self.offset = (stat.st_dev, stat.st_ino), 0
        with file:
            file.seek(self.offset)
            for line in file:
                if not line.endswith(b"\n") and not rest:
                    return
                start, self.offset = self.offset, self.offset + len(line)
                if line == b"\n":
                    continue
                event = _event(line)
                if isinstance(event, str):
                    self.bad.append((start, event))
                else:
                    yield start, event

    def keep(self, offset: int, event: dict[str, Any], since: str) -> None:
        """Keep a request of no capture. A window that began at `since` is not to push out what came before it."""
        if self.during and self.during[0][1]["timestamp"] < since:
            kept, self.during = self.during, deque(maxlen=_KEPT)
            for entry in kept:
                (self.before if entry[1]["timestamp"] < since else self.during).append(entry)
        (self.before if event["timestamp"] < since else self.during).append((offset, event))

    def skipped(self) -> str | None:
        """What was no event and was passed over, as one sentence."""
        if not self.bad:
            return None
        places = "; ".join(f"{reason}, at byte {offset}" for offset, reason in self.bad[:_TOLD])
        more = f"; and {len(self.bad) - _TOLD} more" if len(self.bad) > _TOLD else ""
        of = f"of run {self.run_id}" if self.run_id else "of RECORDER_ROOT"
        return f"The log {of} holds lines that are no events and were skipped: {places}{more}."


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
    if not isinstance(log, str) or "\0" in log or not log.startswith("/"):
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
    if log.exists():
        with log.open("rb") as file:
            for line in file:
                event = _event(line) if line.strip() else "blank"
                if isinstance(event, dict) and event["payload"].get("kind") == "log_opened":
                    return Path(event["payload"]["recorder_root"]).resolve(), log
        return source, log
    if (source / "profiles").is_dir() and (source / ".recorder").is_dir():
        return source / ".recorder", None
    raise AssemblyError(
        f"{source} holds no audit log: it is neither a RECORDER_ROOT (with logs.jsonl) nor a run directory "
        f"(with _logs/{LOG_NAME}). "
        "Point --from at the folder that RECORDER_ROOT names (default: .recorder in the application's working directory)."
    )
