"""Make a draft of every capture of a deployment, as it ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from assembler.assembly import Assembly, AssemblyError, DraftStatus
from recorder.events import now

__all__ = ["follow"]

logger = logging.getLogger("assembler")

LOOK = 0.05  # seconds between two looks at the logs
CLOSED = ("ended", "discarded")


def follow(source: Path, data_root: Path, stop: threading.Event, tell: Callable[[DraftStatus], None]) -> None:
    """Assemble each capture below the RECORDER_ROOT `source` that is open now or begins later, until `stop` is set.

    The folder need not be there yet: the application makes it when it first records.
    """
    assembly: Assembly | None = None
    seen: set[str] = set()
    began = now()
    while not stop.wait(LOOK):
        if assembly is None:
            try:
                assembly = Assembly(source, data_root)
            except AssemblyError:
                continue
            assembly.read()
            seen = {c["capture_id"] for c in assembly.captures() if c["state"] in CLOSED and str(c["ended"]) < began}
        assembly.read()
        for capture in assembly.captures():
            if capture["capture_id"] in seen or capture["state"] == "discarded":
                continue
            assembly.watch(capture)
            if capture["state"] == "ended":
                assembly.read(rest=True)
                seen.add(capture["capture_id"])
                tell(_finished(assembly, capture))


def _finished(assembly: Assembly, capture: Mapping[str, Any]) -> DraftStatus:
    """The draft of one capture. What goes wrong with it is told, and does not end the making of others."""
    try:
        return assembly.finish(capture, fresh=False)
    except Exception as error:
        logger.exception("The draft of %s was not made.", capture["slug"])
        why = f"The draft could not be made: {type(error).__name__}: {error}. Run `wctl assemble` to try again."
        return DraftStatus("failed", assembly.directory(capture["slug"]), problems=(why,))
