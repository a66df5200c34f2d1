"""Replay steps that overlapped in the recording at the same time again; what followed something still follows it.

A step begins when every earlier one is complete, with its waits, that was complete before it began in the recording,
that gives a value it sends, or that its `after` names. Steps begin in recorded order, so what one of them waited for is
behind all that follow. Outcomes come in recorded order, whoever was first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from assembler.profile import Step
from playback.logins import referred
from playback.report import StepOutcome

__all__ = ["acted_at_once", "overlapping"]

AT_ONCE = 64
"""Steps; a browser has six requests to an origin under way, a load of scripts some dozens."""
_UNSURE = 0.0015
"""Seconds by which two steps must have overlapped: `at` and `took` are rounded."""


def acted_at_once(steps: Sequence[Step]) -> bool:
    """Whether two steps that act overlapped in the recording: which of them was counted first says nothing then, however
    they are sent now."""
    until = 0.0
    for step in steps:
        if step.at is not None and step.took is not None and step.method not in ("GET", "HEAD", "OPTIONS"):
            if step.at + _UNSURE < until:
                return True
            until = max(until, step.at + step.took)
    return False


def overlapping(
    steps: Sequence[Step],
    replay: Callable[[int, Step], StepOutcome],
    *,
    keep_going: bool,
    cancelled: threading.Event,
) -> Iterator[StepOutcome]:
    """Yield the outcome of each step that was begun; after one that is not passed, none begins unless `keep_going`.

    `replay` is given the step's number from 0 and the step, and is called in threads. What it raises is raised in the
    place of its outcome.
    """
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="step") as pool:
        begun: list[Future[StepOutcome]] = []
        told = 0
        running: dict[int, Future[StepOutcome]] = {}
        for number, step in enumerate(steps):
            wait([future for n, future in running.items() if _precedes(steps[n], step)])
            ended = [future for future in running.values() if future.done()]
            if cancelled.is_set() or (not keep_going and not all(map(_passed, ended))):
                break
            running = {n: future for n, future in running.items() if not future.done()}
            begun.append(pool.submit(replay, number, step))
            running[number] = begun[-1]
            while told < len(begun) and begun[told].done():
                yield begun[told].result()
                told += 1
        for future in begun[told:]:
            yield future.result()


def _passed(future: Future[StepOutcome]) -> bool:
    return future.exception() is None and future.result().result == "passed"


def _precedes(earlier: Step, step: Step) -> bool:
    """True when `earlier`, which comes before `step`, must be complete before that begins."""
    if earlier.id in referred(step):
        return True
    if step.after is not None:
        return earlier.id in step.after
    if earlier.at is None or earlier.took is None or step.at is None:
        return True
    return earlier.at + earlier.took <= step.at + _UNSURE
