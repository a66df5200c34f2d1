"""Replay profiles in threads of their own, so that several go at once and Ctrl-C ends them well."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from playback import engine
from playback.engine import Options
from playback.errors import PlaybackError
from playback.report import Report
from wctl.interrupt import interruptible
from wctl.remote import SERVICE, Service
from wctl.watching import Listener, watching

__all__ = ["Outcome", "replay_all"]

Engine = Callable[..., Report]

_GLANCE = 0.2
"""Seconds after which the main thread looks up from waiting: a signal that came just before it fell asleep does not wake it."""


@dataclass
class Outcome:
    """What became of one profile. With `error` it could not be replayed at all, and the report says only that."""

    slug: str
    report: Report
    error: PlaybackError | None = None


def replay_all(
    slugs: Sequence[str],
    data_root: Path,
    options: Options,
    environ: Mapping[str, str],
    *,
    workers: int = 1,
    verbose: bool = False,
) -> list[Outcome]:
    """Replay every profile, `workers` at once, on the service at PROFILE_PLAYBACK_URL or else in this process.

    Returns the outcomes in the order of `slugs`; after SIGINT or SIGTERM those that had begun are `interrupted` and
    the others are left out.
    """
    replay: Engine = Service(environ[SERVICE], verbose) if environ.get(SERVICE) else engine.replay
    outcomes: dict[str, Outcome] = {}
    faults: list[Exception] = []
    pending = deque(slugs)

    def work(listener: Callable[[str], Listener], stop: threading.Event) -> None:
        while pending and not stop.is_set() and not faults:
            with contextlib.suppress(IndexError):
                slug = pending.popleft()
                started = datetime.now(UTC)
                try:
                    outcomes[slug] = Outcome(slug, replay(slug, data_root, options, environ, listener(slug), stop))
                except PlaybackError as error:
                    outcomes[slug] = Outcome(slug, _without_verdict(slug, options, started, error), error)
                except Exception as error:
                    faults.append(error)

    with watching(verbose) as listener, interruptible() as stop:
        threads = [threading.Thread(target=work, args=(listener, stop), daemon=True) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(_GLANCE)
    if faults:
        raise faults[0]  # a fault of ours: its traceback is wanted
    return [outcomes[slug] for slug in slugs if slug in outcomes]


def _without_verdict(slug: str, options: Options, started: datetime, error: PlaybackError) -> Report:
    seconds = (datetime.now(UTC) - started).total_seconds()
    return Report(slug, None, "error", started.isoformat(), seconds, options.base_url, None, error=str(error))
