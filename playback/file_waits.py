"""Waiting for a file of the run, or for a line that comes to stand in one.

A line counts that was written since the step began, or since the run did for a step that only waits: the seed brings the
logs of the recording along, with everything in them that was ever waited for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from playback.errors import BadProfile
from playback.report import Mismatch
from playback.wording import clip

__all__ = ["FileWaits"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25
"""Seconds between two looks."""
_SHOWN = 5
"""Names of files that are shown of a folder."""

Sizes = Mapping[Path, int]


@dataclass
class FileWaits:
    """The files below `run_dir`, which is None where the profile has no run."""

    run_dir: Path | None
    cancelled: threading.Event
    at_first: dict[Path, int] = field(default_factory=dict)
    """Sizes, in bytes, of the logs when the run began."""

    def note_sizes(self, paths: Iterable[str]) -> None:
        """Note them; `paths` are logs by other names than `*.log`."""
        self.at_first = self.sizes(paths)

    def sizes(self, paths: Iterable[str] = ()) -> dict[Path, int]:
        """How large the logs are now."""
        if self.run_dir is None:
            return {}
        named = (self.run_dir / path for path in paths)
        return {log: log.stat().st_size for log in [*self.run_dir.rglob("*.log"), *named] if log.is_file()}

    def wait(self, step: str, path: str | None, phrase: str | None, limit: float, known: Sizes) -> Mismatch | None:
        """Wait for the file, or for `phrase` behind the `known` sizes of it, or without `path` of any log of the run.
        Returns what is missing after `limit` seconds, with what was seen last."""
        if self.run_dir is None:
            raise BadProfile(f"Step {step} waits for a file of the run, and this profile has no run directory.")
        wanted = self.run_dir / path if path is not None else None
        if wanted is not None and not wanted.resolve().is_relative_to(self.run_dir.resolve()):
            raise BadProfile(f"Step {step} waits for {path!r}, which lies outside the run directory.")
        began, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            files = [wanted] if wanted is not None else sorted(self.run_dir.rglob("*.log"))
            if phrase is None:
                if wanted is not None and wanted.is_file():
                    return None
            elif any(phrase in _written(file, known.get(file, 0)) for file in files):
                return None
            if time.monotonic() - began >= limit or self.cancelled.is_set():
                seen = _last_line(files, known) if phrase is not None else _beside(files[0])
                return Mismatch(f"file:{path or '*.log'}", phrase or "exists", seen, f"not there after {limit:g} s")
            self.cancelled.wait(pause)
            pause = min(_LONGEST_PAUSE, pause * 1.4)


def _written(file: Path, size: int) -> str:
    """What stands in a file behind its first `size` bytes; all of it where it has become smaller."""
    try:
        with file.open("rb") as opened:
            opened.seek(size if file.stat().st_size >= size else 0)
            return opened.read().decode("utf-8", "replace")
    except OSError:  # not there, or gone meanwhile
        return ""


def _last_line(files: Iterable[Path], known: Sizes) -> str:
    """The last line that was written, of those of several files that of the one that was written last."""
    written = [
        (file.stat().st_mtime, text.splitlines()[-1]) for file in files if (text := _written(file, known.get(file, 0)))
    ]
    return f"last line: {clip(max(written)[1])}" if written else "nothing was written"


def _beside(file: Path) -> str:
    """What is there in place of a file."""
    if not file.parent.is_dir():
        return f"no folder {file.parent.name}"
    names = sorted(path.name for path in file.parent.iterdir())
    shown = f"{', '.join(names[:_SHOWN])}{' …' if names[_SHOWN:] else ''}"
    return f"in its folder: {shown}" if names else "its folder is empty"
