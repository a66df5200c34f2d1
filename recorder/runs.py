"""Which run a request belongs to, and where that run's directory is.

Run ids come from outside and are hostile: nothing here creates a directory, and no id leads out of the root that the
operator named.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from recorder.events import RunContext
from recorder.settings import Settings

__all__ = ["Run", "Runs"]

_CLONE = re.compile(r"profile;;tmp;;([0-9A-Fa-f]{8}-?(?:[0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12})")
_HOSTILE = re.compile(r"[/\\\x00-\x1f\x7f]")


class Run(NamedTuple):
    """A run: its id, its configuration, and where its directory would be (None: unknown, or not to be trusted)."""

    run_id: str
    config: str | None = None
    directory: Path | None = None

    @property
    def context(self) -> RunContext:
        """The event's `run_context`."""
        return {"run_id": self.run_id, "config": self.config}


class Runs:
    """Finds runs by `RECORDER_RUN_PATTERN` and `RECORDER_RUN_ROOT`, or by the callable `Settings.resolver`."""

    def __init__(self, settings: Settings) -> None:
        self._resolver = settings.resolver
        self._pattern = re.compile(settings.run_pattern) if settings.run_pattern else None
        self._template = settings.run_root
        self._clone_root = settings.clone_root
        self._search = functools.lru_cache(1024)(self._search_path)

    def of_path(self, path: str) -> Run | None:
        """Return the run that a raw (percent-encoded) request path names, or None."""
        if self._resolver is not None:
            return self._resolver(unquote(path))
        return self._search(path) if self._pattern is not None else None

    def directory(self, run_id: str, config: str | None = None) -> Path | None:
        """Return where the run's directory would be, existing or not; None when unknown or not beneath the root."""
        clone = _CLONE.fullmatch(run_id)
        if clone is not None and self._clone_root is not None:
            return self._clone_root / clone[1]
        if self._template is None or not _harmless(run_id) or not (config is None or _harmless(config)):
            return None
        if config is None and "{config" in self._template:
            return None
        path = self._template.format(run_id=run_id, config=config or "").rstrip("/")
        root = self._template[: self._template.index("{")].rpartition("/")[0]
        if os.path.normpath(path) != os.path.normpath(root) + path[len(root) :] or len(path) <= len(root) + 1:
            return None
        return Path(path)

    def _search_path(self, path: str) -> Run | None:
        assert self._pattern is not None
        found = self._pattern.search(unquote(path))
        if found is None or not found["run_id"]:
            return None
        config = found.groupdict().get("config")
        return Run(found["run_id"], config, self.directory(found["run_id"], config))


def _harmless(name: str) -> bool:
    return 0 < len(name.encode("utf-8", "replace")) <= 255 and name not in (".", "..") and not _HOSTILE.search(name)
