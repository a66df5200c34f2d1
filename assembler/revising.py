"""Drafts that stand, and are no longer what is wanted: committed anew by a reviewer, or of a capture that was discarded."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assembler.assembly import Assembly
from assembler.drafts import discard, json_object
from assembler.live import finished_capture
from assembler.writing import DraftStatus, draft_folder, previous_folder

__all__ = ["Revisions"]


class Revisions:
    """The captures of one RECORDER_ROOT whose drafts were made."""

    def __init__(self, source: Path, data_root: Path) -> None:
        self._source = source
        self._data_root = data_root
        self._known: set[tuple[str, str, int]] = set()

    def look(self, capture: Mapping[str, Any]) -> DraftStatus | None:
        """Make the draft of a capture what it is to be now; None where it is so. Raises what keeps it from being made."""
        seen = (str(capture["capture_id"]), str(capture["state"]), int(capture.get("revision", 0)))
        if seen in self._known:
            return None
        self._known.add(seen)
        capture_id, state, revision = seen
        folder = draft_folder(self._data_root, capture["slug"])
        if finished_capture(folder) != capture_id:
            return None
        if state == "discarded":
            self._put_back(str(capture["slug"]))
        elif state == "ended" and json_object(folder / "status.json").get("revision", 0) < revision:
            return self._made_anew(capture)
        return None

    def _made_anew(self, capture: Mapping[str, Any]) -> DraftStatus | None:
        """From the logs: of a capture that has a draft nothing is kept in memory."""
        assembly = Assembly(self._source, self._data_root, str(capture["slug"]))
        newest = assembly.newest(str(capture["slug"]))
        if newest is None or newest["capture_id"] != capture["capture_id"]:
            return None
        assembly.read(rest=True)
        return assembly.finish(newest, fresh=False)

    def _put_back(self, slug: str) -> None:
        """Take the draft away, and put back the one that stood in its place before."""
        folder = discard(slug, self._data_root)
        earlier = sorted(path for path in previous_folder(self._data_root, slug).glob("*") if path.is_dir())
        if earlier:
            shutil.move(earlier[-1], folder)
