"""A draft while its capture goes on: the folder that stands where the draft will be, with every record so far.

What stands there is for looking at. The draft itself is made of the log when the capture ends, so nothing depends on it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from assembler.drafts import json_object
from assembler.storage import write_json
from assembler.windows import capture_id_of

__all__ = ["LiveDraft", "finished_capture", "is_begun"]

_ASSEMBLING = "assembling"
_EVENTS = "events.jsonl"


def finished_capture(directory: Path) -> str | None:
    """The capture of the draft that stands in `directory`, when it was finished."""
    status = json_object(directory / "status.json")
    return capture_id_of(status.get("capture_id")) if status.get("state") != _ASSEMBLING else None


def is_begun(directory: Path, capture_id: str) -> bool:
    """Whether what stands in `directory` is the live draft of this capture."""
    status = json_object(directory / "status.json")
    return status.get("state") == _ASSEMBLING and status.get("capture_id") == capture_id


class LiveDraft:
    """The folder of one capture's draft to be. Raises OSError when it cannot be made."""

    def __init__(self, directory: Path, capture: Mapping[str, Any], previous: Path) -> None:
        self.directory = directory
        self._previous = previous
        self._there = self._resumed(str(capture["capture_id"]))
        if self._there is None:
            self._begin(capture)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(directory / _EVENTS, flags, 0o644)

    @staticmethod
    def stands_for_another(directory: Path, capture_id: str, open_ones: Container[str]) -> bool:
        """Whether the folder is the live draft of another capture that goes on: it was first, and keeps the place."""
        status = json_object(directory / "status.json")
        other = status.get("capture_id")
        return status.get("state") == _ASSEMBLING and other != capture_id and other in open_ones

    def append(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Add records; those that were there when the folder was found again are not added twice. Raises OSError."""
        fresh = [orjson.dumps(e) + b"\n" for e in events if not self._there or e["id"] not in self._there]
        rest = memoryview(b"".join(fresh))
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def close(self) -> None:
        os.close(self._descriptor)

    def discard(self) -> None:
        """Remove the folder, and put the draft back that stood in its place."""
        self.close()
        moved = capture_id_of(json_object(self.directory / "status.json").get("previous"))
        shutil.rmtree(self.directory, ignore_errors=True)
        if moved and (self._previous / moved).is_dir():
            (self._previous / moved).rename(self.directory)

    def _resumed(self, capture_id: str) -> set[str] | None:
        """The records that an earlier assembler left here for this capture; a line cut short is taken away."""
        if not is_begun(self.directory, capture_id):
            return None
        found, end = set(), 0
        with (self.directory / _EVENTS).open("a+b") as file:
            file.seek(0)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                found.add(str(orjson.loads(line)["id"]))
                end += len(line)
            file.truncate(end)
        return found

    def _begin(self, capture: Mapping[str, Any]) -> None:
        moved = finished_capture(self.directory)
        if moved:
            self._previous.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(self._previous / moved, ignore_errors=True)
            self.directory.rename(self._previous / moved)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        told = {
            "v": 1, "state": _ASSEMBLING, "slug": capture["slug"], "capture_id": capture["capture_id"], "steps": 0, "events": 0,
            "warnings": [], "problems": [], "previous": moved, "made": time.time(),
        }  # fmt: skip
        write_json(self.directory / "status.json", told)
