"""Which audit logs the service shows: that of its RECORDER_ROOT and every one that the recorder has listed there.

Nobody names a path: a log is asked for by a key, which is looked up among those.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from assembler.logs import logs_listed
from playback.log_retention import root_of
from recorder.log import LOG_NAME
from recorder.manifest import Capture, Manifest

__all__ = ["AuditLogs", "Entry", "captures_of"]


@dataclass(frozen=True)
class Entry:
    """A log: its key in addresses, its file, and the run that it belongs to, if it belongs to one."""

    key: str
    path: Path
    run_id: str | None

    @property
    def name(self) -> str:
        """What people call it."""
        return self.run_id or "outside of runs"

    @property
    def size(self) -> int | None:
        """Bytes of the live file; None where there is none."""
        try:
            return self.path.stat().st_size
        except OSError:
            return None

    @property
    def written(self) -> datetime | None:
        """When it was written last."""
        try:
            return datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
        except OSError:
            return None


class AuditLogs:
    """The logs of one deployment; the list is read on when it has grown."""

    def __init__(self, data_root: Path, environ: Mapping[str, str]) -> None:
        self._data_root, self._environ = data_root, environ
        self._lock = threading.Lock()
        self._root: Path | None = None
        self._offset = 0
        self._found: dict[str, Entry] = {}

    def all(self) -> Sequence[Entry]:
        """Every log, that of no run first, then the newest run first. Empty where RECORDER_ROOT is not there."""
        with self._lock:
            root = root_of(self._data_root, self._environ)
            if root is None:
                return []
            if root != self._root or self._listed(root) < self._offset:
                self._root, self._offset, self._found = root, 0, {}
                self._add((root / "_logs" / LOG_NAME).resolve(), None)
            listed, self._offset = logs_listed(root, self._offset)
            for path, run_id in listed:
                self._add(path, run_id)
            entries = list(self._found.values())
        return entries[:1] + entries[:0:-1]

    def find(self, key: str) -> Entry | None:
        """The log with this key."""
        self.all()
        return self._found.get(key)

    def likely(self, first: Entry, most: int = 60) -> list[Path]:
        """Logs in which causes and effects of what stands in `first` may be: it, that of no run, then the newest."""
        paths = [first.path, *(entry.path for entry in self.all()[:most])]
        return [path for path in dict.fromkeys(paths) if path.parent.is_dir()]

    def _listed(self, root: Path) -> int:
        try:
            return os.stat(root / "logs.jsonl").st_size  # noqa: PTH116
        except OSError:
            return 0

    def _add(self, path: Path, run_id: str | None) -> None:
        key = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
        self._found.setdefault(key, Entry(key, path, run_id))


def captures_of(entry: Entry) -> Sequence[Capture]:
    """The captures whose scope lives beside a log, the newest first; none where their list cannot be read."""
    try:
        return list(Manifest(entry.path.parent).captures())[::-1]
    except (ValueError, OSError):
        return []
