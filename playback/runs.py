"""Replays that the service was asked for: so many at once, each in a thread of its own, the others in a queue.

A run is `queued`, `running`, and then one of `finished` (there is a verdict), `interrupted` (it was cancelled, or the
service ended) and `refused` (nothing was sent, and why). Any number of listeners may follow it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from playback import engine, results, underway
from playback.cancelling import CANCELLED
from playback.engine import Options
from playback.errors import PlaybackError
from playback.logbook import PLAYBACK
from playback.problems import status_of
from playback.progress import line
from playback.report import Report
from playback.results import short_id
from playback.summary import headline, render, visible
from playback.underway import Claim, Entry

__all__ = ["Run", "Runs", "State", "state_of"]

KEPT = 100  # ended runs that can still be followed; their reports stay on the disk
QUIET = 15.0  # seconds without an event after which a listener gets a sign of life
QUEUED = "The run was cancelled while it was queued."

State = Literal["queued", "running", "finished", "interrupted", "refused"]

_log = logging.getLogger(PLAYBACK)


def state_of(result: object) -> State:
    """The state of a run with such a result."""
    return "interrupted" if result == "interrupted" else "finished"


class Run:
    """One replay: its events so far, and its report or the reason why there is none."""

    def __init__(self, slug: str, options: Options, environ: Mapping[str, str], verbose: bool = False) -> None:
        self.id = uuid.uuid4().hex
        self.slug = slug
        self.options = options
        self.environ = environ
        self.verbose = verbose
        self.started_at = underway.now()
        """When it began; while it is queued, when it was asked for."""
        self.queued = False
        self.events: list[dict[str, Any]] = []
        self.report: Report | None = None
        self.refusal: Exception | None = None
        self.ended = False
        self.cancelled = threading.Event()
        self._wakers: set[Callable[[], None]] = set()
        self._claim: Claim | None = None

    @property
    def state(self) -> State:
        """Where it stands."""
        if not self.ended:
            return "queued" if self.queued else "running"
        return state_of(self.report.result) if self.report else "refused"

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

    def claim(self, data_root: Path) -> None:
        """Leave word on the disk that it is under way, for a service that comes after this one was killed."""
        with contextlib.suppress(OSError):  # a data root that cannot be written shows soon enough, at the first clone
            self._claim = Claim(data_root, self._entry(data_root))

    def wait_behind(self, ahead: int) -> None:
        """It is not its turn: `ahead` others come before."""
        self.queued = True
        self._tell({"event": "run_queued", "run_id": self.id, "ahead": ahead})

    def replay(self, data_root: Path) -> None:
        """Replay, from the first event to the last. Raises nothing."""
        name = f"{visible(self.slug)} {self.id[:8]}"
        self.queued, self.started_at = False, underway.now()
        _log.info("[%s] begins", name)

        def progress(event: dict[str, Any]) -> None:
            if self.verbose:
                _log.info("[%s] %s", name, line(event))
            self._tell(event)

        try:
            report = engine.replay(
                self.slug, data_root, self.options, self.environ, progress, self.cancelled, run_id=self.id
            )
        except PlaybackError as error:
            if self.cancelled.is_set():
                self.give_up(data_root, CANCELLED)
                return
            _log.info("[%s] refused: %s", name, visible(str(error)))
            self.refusal = error
            self._tell({"event": "error", "message": str(error), "status": status_of(error)}, ended=True)
        except Exception as error:
            _log.exception("[%s] failed in the engine itself", name)
            self.refusal = error
            sentence = f"The engine failed: {type(error).__name__}: {error}. Its log has more."
            self._tell({"event": "error", "message": sentence, "status": 500}, ended=True)
        else:
            text = render(report) if self.verbose or report.result != "passed" else headline(report)
            for row in text.splitlines():
                _log.info("[%s] %s", name, row)
            self._end(report)

    def give_up(self, data_root: Path, why: str = QUEUED) -> None:
        """End it as interrupted before anything was sent."""
        report = underway.interrupted(self._entry(data_root), why)
        with contextlib.suppress(OSError):
            results.write(report, data_root)
        _log.info("[%s %s] %s", visible(self.slug), self.id[:8], why)
        self._end(report)

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
        """Return when the run is queued, when its first step begins, or when it has ended.

        Unless it is queued, a refusal of profile or target is known by then.
        """
        async with contextlib.aclosing(self.follow()) as events:
            async for told in events:
                if told is not None and told[1].get("event") != "run_started":
                    return

    async def over(self) -> None:
        """Return when the run has ended."""
        async for _ in self.follow():
            pass

    def _entry(self, data_root: Path) -> Entry:
        root = underway.run_root(data_root, self.environ.get("PROFILE_PLAYBACK_RUN_ROOT"))
        return Entry(self.id, self.slug, self.started_at, str(root.absolute()))

    def _end(self, report: Report) -> None:
        self.report = report
        self._tell({"event": "report", "report": report.as_json()}, ended=True)

    def _tell(self, event: dict[str, Any], *, ended: bool = False) -> None:
        if ended and self._claim is not None:
            self._claim.release()
        self.events.append(event)
        self.ended = ended
        for wake in list(self._wakers):
            wake()


class Runs:
    """The runs of one service, `limit` of them at once; the oldest ended ones are forgotten."""

    def __init__(self, data_root: Path, limit: int) -> None:
        self.data_root = data_root
        self.limit = limit
        self._lock = threading.Lock()
        self._kept: list[Run] = []
        self._waiting: deque[Run] = deque()
        self._threads: dict[Run, threading.Thread] = {}

    def __iter__(self) -> Iterator[Run]:
        """All kept runs, newest first."""
        return iter(self._kept[::-1])

    def get(self, run_id: str) -> Run | None:
        """The run with this id."""
        return next((run for run in self if run.id == short_id(run_id)), None)

    def begin(self, run: Run) -> Run:
        """Replay it, now or when its turn comes; returns it."""
        run.claim(self.data_root)
        with self._lock:
            ended = [kept for kept in self._kept if kept.ended]
            for old in ended[: max(0, len(ended) - KEPT)]:
                self._kept.remove(old)
            self._kept.append(run)
            if len(self._threads) < self.limit:
                self._start(run)
            else:
                run.wait_behind(len(self._waiting))
                self._waiting.append(run)
        return run

    def cancel(self, run: Run) -> None:
        """Ask it to end as `interrupted`; one that is queued has ended when this returns."""
        with self._lock:
            run.cancelled.set()
            waits = run in self._waiting
            if waits:
                self._waiting.remove(run)
        if waits:
            run.give_up(self.data_root)

    def stop(self, wait: float = 0.0) -> None:
        """Cancel all of them, and give those that run `wait` seconds to end."""
        end = time.monotonic() + wait
        for run in self:
            if not run.ended:
                self.cancel(run)
        for thread in list(self._threads.values()):
            thread.join(max(0.0, end - time.monotonic()))

    def _start(self, run: Run) -> None:
        thread = threading.Thread(target=self._work, args=(run,), name=f"run-{run.id}", daemon=True)
        self._threads[run] = thread
        thread.start()

    def _work(self, run: Run) -> None:
        try:
            run.replay(self.data_root)
        finally:
            with self._lock:
                del self._threads[run]
                if self._waiting:
                    self._start(self._waiting.popleft())
