"""Replays that the service has begun: each in a thread of its own, followed by any number of listeners."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playback import engine
from playback.engine import Options
from playback.errors import PlaybackError
from playback.logbook import PLAYBACK
from playback.progress import line
from playback.report import Report
from playback.results import short_id
from playback.summary import headline, render, visible

__all__ = ["Run", "Runs"]

KEPT = 100  # finished runs that can still be followed; their reports stay on the disk
QUIET = 15.0  # seconds without an event after which a listener gets a sign of life

_log = logging.getLogger(PLAYBACK)


class Run:
    """One replay: its events so far, and its report or the reason why there is none."""

    def __init__(self, slug: str, options: Options, verbose: bool = False) -> None:
        self.id = uuid.uuid4().hex
        self.slug = slug
        self.options = options
        self.verbose = verbose
        self.started_at = datetime.now(UTC).isoformat()
        self.events: list[dict[str, Any]] = []
        self.report: Report | None = None
        self.refusal: Exception | None = None
        self.ended = False
        self.cancelled = threading.Event()
        self._wakers: set[Callable[[], None]] = set()
        self._thread: threading.Thread | None = None

    @property
    def state(self) -> str:
        """`running`, `finished` (there is a report) or `refused` (there is none, and why)."""
        return "running" if not self.ended else "finished" if self.report else "refused"

    def as_json(self, *, whole: bool = True) -> dict[str, Any]:
        """The run as plain values; `whole` with its report."""
        document: dict[str, Any] = {
            "run_id": self.id,
            "profile": self.slug,
            "state": self.state,
            "started_at": self.started_at,
            "result": self.report.result if self.report else None,
            "error": str(self.refusal) if self.refusal else None,
        }
        if whole:
            document["report"] = self.report.as_json() if self.report else None
        return document

    def start(self, data_root: Path, environ: Mapping[str, str]) -> None:
        """Begin the replay in a thread."""
        self._thread = threading.Thread(
            target=self._replay, args=(data_root, environ), name=f"run-{self.id}", daemon=True
        )
        self._thread.start()

    def stop(self, wait: float = 0.0) -> None:
        """Ask the replay to end as `interrupted`, and give it `wait` seconds for that."""
        self.cancelled.set()
        if self._thread is not None and wait:
            self._thread.join(wait)

    async def follow(self, after: int = 0) -> AsyncGenerator[tuple[int, dict[str, Any]] | None]:
        """Yield (number from 1, event) for every event behind the first `after`, as they come, to the end of the run.

        None is yielded when nothing happened for a while, so that the connection shows a sign of life.
        """
        loop, woken = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(woken.set)

        self._wakers.add(wake)
        try:
            while True:
                woken.clear()
                ended = self.ended  # looked at before the events, so that none is missed
                while after < len(self.events):
                    after += 1
                    yield after, self.events[after - 1]
                if ended:
                    return
                try:
                    await asyncio.wait_for(woken.wait(), QUIET)
                except TimeoutError:
                    yield None
        finally:
            self._wakers.discard(wake)

    async def begun(self) -> None:
        """Return when the first step begins or the run has ended: by then a refusal of profile or target is known."""
        async with contextlib.aclosing(self.follow()) as events:
            async for told in events:
                if told is not None and told[1].get("event") != "run_started":
                    return

    async def finished(self) -> None:
        """Return when the run has ended."""
        async for _ in self.follow():
            pass

    def _replay(self, data_root: Path, environ: Mapping[str, str]) -> None:
        name = f"{visible(self.slug)} {self.id[:8]}"
        _log.info("[%s] begins", name)

        def progress(event: dict[str, Any]) -> None:
            if self.verbose:
                _log.info("[%s] %s", name, line(event))
            self._tell(event)

        try:
            report = engine.replay(self.slug, data_root, self.options, environ, progress, self.cancelled)
        except PlaybackError as error:
            _log.info("[%s] refused: %s", name, visible(str(error)))
            self.refusal = error
            last: dict[str, Any] = {"event": "error", "message": str(error)}
        except Exception as error:
            _log.exception("[%s] failed in the engine itself", name)
            self.refusal = error
            last = {
                "event": "error",
                "message": f"The engine failed: {type(error).__name__}: {error}. Its log has more.",
            }
        else:
            text = render(report) if self.verbose or report.result != "passed" else headline(report)
            for row in text.splitlines():
                _log.info("[%s] %s", name, row)
            self.report = report
            last = {"event": "report", "report": report.as_json()}
        self._tell(last, ended=True)

    def _tell(self, event: dict[str, Any], *, ended: bool = False) -> None:
        if run_id := event.get("run_id"):
            self.id = short_id(run_id)  # the engine's own, which also stands in the report
        self.events.append(event)
        self.ended = ended
        for wake in list(self._wakers):
            wake()


class Runs:
    """The runs of one service; the oldest finished ones are forgotten."""

    def __init__(self) -> None:
        self._runs: list[Run] = []

    def __iter__(self) -> Iterator[Run]:
        """All kept runs, newest first."""
        return iter(self._runs[::-1])

    def add(self, run: Run) -> Run:
        """Keep `run` and return it."""
        finished = [kept for kept in self._runs if kept.ended]
        for old in finished[: max(0, len(finished) - KEPT)]:
            self._runs.remove(old)
        self._runs.append(run)
        return run

    def get(self, run_id: str) -> Run | None:
        """The run with this id."""
        return next((run for run in self if run.id == short_id(run_id)), None)

    def stop(self, wait: float = 0.0) -> None:
        """Ask all running replays to end, and give them `wait` seconds for that."""
        end = time.monotonic() + wait
        for run in self:
            run.stop()
        for run in self:
            run.stop(max(0.0, end - time.monotonic()))
