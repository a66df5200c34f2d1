"""Calibrations of drafts that somebody asked for on a page: one at a time, in a thread; the last of each draft is kept."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playback import rehearsal
from playback.calibrate import REPLAYS, Calibration
from playback.engine import Options
from playback.errors import PlaybackError
from playback.logbook import PLAYBACK
from playback.summary import visible

__all__ = ["Busy", "Calibrations", "Rehearsal"]

_KEPT = 50  # of drafts

_log = logging.getLogger(PLAYBACK)


class Busy(ValueError):
    """Another one goes on; the message says which."""


@dataclass
class Rehearsal:
    """Two replays of a draft: how far they are, and then what they showed, or a sentence that says why there is nothing."""

    slug: str
    found: Calibration | None = None
    problem: str | None = None
    replay: int = 0
    done: int = 0
    of: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def goes_on(self) -> bool:
        return self.found is None and self.problem is None

    @property
    def said(self) -> str:
        """How far it is, in words."""
        if not self.replay:
            return "The workspace is made ready."
        return f"Replay {self.replay} of {REPLAYS}: {self.done} of {self.of} steps done."

    def hear(self, event: dict[str, Any]) -> None:
        """Take note of an event of the engine."""
        if event.get("event") == "run_started":
            self.replay, self.done = self.replay + 1, 0
        elif event.get("event") in ("step_started", "step_finished"):
            self.of = int(event.get("of") or self.of)
            self.done += event["event"] == "step_finished"


class Calibrations:
    """Those of one service."""

    def __init__(self, data_root: Path) -> None:
        self._data_root = data_root
        self._lock = threading.Lock()
        self._kept: dict[str, Rehearsal] = {}

    def of(self, slug: str) -> Rehearsal | None:
        """The last one of a draft."""
        return self._kept.get(slug)

    def begin(self, slug: str, options: Options, environ: Mapping[str, str]) -> Rehearsal:
        """Begin one. Raises Busy while another goes on: two at once would find what the other left."""
        with self._lock:
            if other := next((each for each in self._kept.values() if each.goes_on), None):
                raise Busy(f"The draft {other.slug} is being calibrated; wait until that is over.")
            begun = Rehearsal(slug)
            self._kept.pop(slug, None)
            self._kept[slug] = begun
            while len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]
        threading.Thread(
            target=self._work, args=(begun, options, environ), name=f"calibrate-{slug}", daemon=True
        ).start()
        return begun

    def forget(self, slug: str) -> None:
        """Its draft is another one now, or gone."""
        self._kept.pop(slug, None)

    def _work(self, begun: Rehearsal, options: Options, environ: Mapping[str, str]) -> None:
        try:
            found = rehearsal.rehearse(begun.slug, self._data_root, options, environ, begun.hear, begun.cancelled)
        except (PlaybackError, LookupError, ValueError, OSError) as error:
            begun.problem = str(error)
            return
        except Exception as error:
            _log.exception("[page] the calibration of %s failed in the engine itself", visible(begun.slug))
            begun.problem = f"The engine failed: {type(error).__name__}: {error}. The service's log has more."
            return
        last = found.reports[-1]
        if begun.cancelled.is_set():
            begun.problem = "It was cancelled; nothing was proposed."
        elif found.exit_code == 2:
            begun.problem = last.error or "It could not be judged; nothing was proposed."
        else:
            begun.found = found
