"""Make a draft of every capture of a deployment, as it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from assembler.assembly import Assembly, AssemblyError, DraftStatus

__all__ = ["follow"]

LOOK = 0.05  # seconds between two looks at the logs
CLOSED = ("ended", "discarded")


def follow(source: Path, data_root: Path, stop: threading.Event, tell: Callable[[DraftStatus], None]) -> None:
    """Assemble each capture below the RECORDER_ROOT `source` that is open now or begins later, until `stop` is set.

    The folder need not be there yet: the application makes it when it first records.
    """
    assembly: Assembly | None = None
    seen: set[str] = set()
    while not stop.wait(LOOK):
        if assembly is None:
            try:
                assembly = Assembly(source, data_root)
            except AssemblyError:
                continue
            assembly.read()
            seen = {capture["capture_id"] for capture in assembly.captures() if capture["state"] in CLOSED}
        assembly.read()
        for capture in assembly.captures():
            if capture["capture_id"] in seen or capture["state"] == "discarded":
                continue
            assembly.watch(capture)
            if capture["state"] == "ended":
                assembly.read(rest=True)
                tell(assembly.finish(capture, fresh=False))
                seen.add(capture["capture_id"])
