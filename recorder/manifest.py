"""One `profile.captures.json`: read again whenever it changed, replaced atomically, agreed on by every process.

A reader pays one `stat` (about 1 µs) while nothing changes. A change is made under a lock beside the file, from what is
on disk and not from what this process remembers.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NotRequired, TypeAlias, TypedDict

import orjson

from recorder.events import VERSION

__all__ = ["CAPTURES_NAME", "FROM_ENVIRONMENT", "OPEN", "Capture", "Manifest", "Scope", "State"]

CAPTURES_NAME = "profile.captures.json"

Scope: TypeAlias = Literal["run", "session", "all"]
State: TypeAlias = Literal["preparing", "capturing", "paused", "ended", "discarded"]
FROM_ENVIRONMENT = "RECORDER_CAPTURE"
"""The notes of a capture that the environment opened: nobody will press *end*, so assembling it ends it."""
OPEN: tuple[State, ...] = ("preparing", "capturing", "paused")


class Capture(TypedDict):
    """A capture as it stands in the manifest (docs/formats.md). Times are ISO-8601 UTC."""

    capture_id: str
    slug: str
    scope: Scope
    run_id: str | None
    session: str | None
    state: State
    started: str
    ended: str | None
    notes: str
    unsnapshotted: bool
    windows: list[list[str | None]]
    revision: NotRequired[int]
    """How often it was committed by a reviewer; its draft says of which revision it is."""


class Manifest:
    """The captures whose scope lives in one `_logs` directory."""

    def __init__(self, log_dir: Path) -> None:
        self.log_dir = log_dir
        self.path = log_dir / CAPTURES_NAME
        self._name = str(self.path)
        self._signature: tuple[int, int, int] | None = None
        self._captures: tuple[Capture, ...] = ()
        self._open: tuple[Capture, ...] = ()

    def captures(self) -> Sequence[Capture]:
        """Return the captures on disk, oldest first; not to be changed. No file: none.

        Raises ValueError, naming the file, when it is not a manifest, and OSError when it cannot be read.
        """
        self.open()
        return self._captures

    def open(self) -> Sequence[Capture]:
        """Return the captures that cover something now or are about to. Raises as `captures`."""
        try:
            found = os.stat(self._name)  # noqa: PTH116  on the path of every request: half the cost of Path.stat
        except FileNotFoundError:
            self._signature, self._captures, self._open = None, (), ()
            return ()
        signature = (found.st_mtime_ns, found.st_ino, found.st_size)
        if signature != self._signature:
            self._captures = captures = tuple(self._read())
            self._open = tuple(capture for capture in captures if capture["state"] in ("preparing", "capturing"))
            self._signature = signature
        return self._open

    @contextlib.contextmanager
    def edit(self) -> Iterator[list[Capture]]:
        """Give the captures to change; they are written when the block ends without an exception.

        Other processes wait meanwhile. Makes the `_logs` directory, never the one that holds it. Raises as `captures`.
        """
        with contextlib.suppress(FileExistsError):
            self.log_dir.mkdir(0o750)
        lock = os.open(self.log_dir / "profile.captures.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            captures = self._read() if self.path.exists() else []
            yield captures
            self._write(captures)
        finally:
            os.close(lock)

    def _read(self) -> list[Capture]:
        try:
            document = orjson.loads(self.path.read_bytes())
            captures: list[Capture] = document["captures"]
            if document["v"] != VERSION or not all(isinstance(entry["capture_id"], str) for entry in captures):
                raise ValueError("of another version")
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{self.path} is not a list of captures ({error}); move it aside to go on.") from None
        return captures

    def _write(self, captures: list[Capture]) -> None:
        document = orjson.dumps({"v": VERSION, "captures": captures}, option=orjson.OPT_INDENT_2)
        draft = self.path.with_name(f".{CAPTURES_NAME}.{os.getpid()}")
        with draft.open("wb") as file:
            file.write(document)
            file.flush()
            moment = time.time_ns()
            os.utime(file.fileno(), ns=(moment, moment))  # the kernel's own clock may stand still between two changes
            os.fsync(file.fileno())
        draft.replace(self.path)
