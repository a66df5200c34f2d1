"""Make a draft of every capture of a deployment, as it ends, and show it while it goes on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from assembler.assembly import Assembly, AssemblyError, DraftStatus
from assembler.live import is_begun
from assembler.news import News
from assembler.profile import slug_problem
from assembler.revising import Revisions
from assembler.writing import draft_folder
from recorder.events import now

__all__ = ["follow", "follow_one"]

logger = logging.getLogger("assembler")

_SLICE = 0.01
"""Seconds of working ahead between two looks at the logs."""
_SAVED = 10.0
"""Seconds between two notes of how far the logs were read."""
_LOOK = 0.05
"""Seconds between two looks for a RECORDER_ROOT that is not there yet."""


def follow(source: Path, data_root: Path, stop: threading.Event, tell: Callable[[DraftStatus], None]) -> None:
    """Assemble each capture below the RECORDER_ROOT `source` that is open now or begins later, until `stop` is set.

    The folder need not be there yet: the application makes it when it first records. A draft that an earlier follower
    had begun and not finished is finished.
    """
    began = now()
    while not stop.wait(_LOOK):
        try:
            assembly = Assembly(source, data_root, resume=True)
        except AssemblyError:
            continue
        for capture in assembly.captures():
            begun = is_begun(draft_folder(data_root, capture["slug"]), capture["capture_id"])
            if capture["state"] == "ended" and (begun or str(capture["ended"]) >= began):
                assembly.made.discard(capture["capture_id"])
        for status in _drafts(assembly, stop, None, Revisions(source, data_root)):
            tell(status)
            _save_place(assembly)
        _save_place(assembly)


def follow_one(source: Path, slug: str, data_root: Path, stop: threading.Event) -> DraftStatus | None:
    """Wait until the newest capture called `slug` has ended, and assemble it; None when `stop` was set before.

    Raises `AssemblyError`, and what else keeps the draft from being made.
    """
    if problem := slug_problem(slug):
        raise AssemblyError(f"{problem}.")
    return next(_drafts(Assembly(source, data_root, slug), stop, slug), None)


def _drafts(
    assembly: Assembly, stop: threading.Event, slug: str | None, revisions: Revisions | None = None
) -> Iterator[DraftStatus]:
    """The drafts of captures as they end, in order. With a `slug`, of captures of that name, and errors are raised.

    With `revisions`, drafts that stand are made anew when that is asked for, too.
    """
    with News(stop) as news:
        busy, saved = False, time.monotonic()
        while not stop.is_set():
            if slug is None and time.monotonic() - saved >= _SAVED:
                _save_place(assembly)
                saved = time.monotonic()
            changed = news.wait({path.parent for path in assembly.logs} | {assembly.root}, busy=busy)
            assembly.read(None if changed is None else {path for path in assembly.logs if path.parent in changed})
            for capture in assembly.captures():
                if capture["capture_id"] in assembly.made or slug not in (None, capture["slug"]):
                    if revisions is not None and (status := _revised(revisions, capture)):
                        yield status
                    continue
                if capture["state"] == "discarded":
                    assembly.drop(capture)
                elif capture["state"] == "ended":
                    assembly.read(rest=True)
                    yield assembly.finish(capture, fresh=False) if slug else _finished(assembly, capture)
                else:
                    _watch(assembly, capture)
            busy = assembly.work(time.monotonic() + _SLICE)


def _revised(revisions: Revisions, capture: Mapping[str, Any]) -> DraftStatus | None:
    """The draft of a capture that was committed again. What goes wrong with it is told."""
    try:
        return revisions.look(capture)
    except Exception:
        logger.exception("The draft of %s was not made anew.", capture["slug"])
        return None


def _watch(assembly: Assembly, capture: Mapping[str, Any]) -> None:
    """Keep up with an open capture. What cannot be written now is made of the log when it ends."""
    try:
        assembly.watch(capture)
    except OSError as error:
        logger.warning("The capture %s cannot be followed for the moment: %s", capture["slug"], error)


def _save_place(assembly: Assembly) -> None:
    try:
        assembly.save_place()
    except OSError as error:
        logger.warning("How far the logs were read could not be written down, and will be read again: %s", error)


def _finished(assembly: Assembly, capture: Mapping[str, Any]) -> DraftStatus:
    """The draft of one capture. What goes wrong with it is told, and does not end the making of others."""
    try:
        return assembly.finish(capture, fresh=False)
    except Exception as error:
        logger.exception("The draft of %s was not made.", capture["slug"])
        assembly.made.add(capture["capture_id"])
        why = f"The draft could not be made: {type(error).__name__}: {error}. Run `wctl assemble` to try again."
        return DraftStatus("failed", draft_folder(assembly.data_root, capture["slug"]), problems=(why,))
