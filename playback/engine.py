"""One replay from start to verdict: `replay()` is what the service, `wctl` and pytest all call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playback.report import Report

__all__ = ["Options", "Progress", "replay"]

Progress = Callable[[dict[str, Any]], None]
"""Called with plain dictionaries as the replay goes: `{"event": "step_finished", …}`."""


@dataclass(frozen=True)
class Options:
    """How one replay is to be run. Times in seconds."""

    base_url: str | None = None
    cookie: str | None = None
    overlay: str | None = None
    timeout: float | None = None
    keep: bool = False
    keep_going: bool = False
    dry_run: bool = False


def replay(
    slug: str,
    data_root: Path,
    options: Options,
    environ: Mapping[str, str],
    progress: Progress = lambda event: None,
    cancelled: threading.Event | None = None,
) -> Report:
    """Replay the promoted profile `slug` and return its report, also written below `profiles/results/<slug>/`.

    Raises `UnknownProfile`, `BadProfile` or `TargetRefused` before anything is sent; everything after that is in the report.
    """
    raise NotImplementedError
