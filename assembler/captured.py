"""What is known of one capture: its records as they were read, and what is worked out of them while it goes on."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from assembler.growing import Growing
from assembler.late import Sighted
from assembler.live import LiveDraft
from assembler.logs import AuditLog
from assembler.places import Place
from assembler.recording import Bodies

__all__ = ["Captured"]

logger = logging.getLogger("assembler")


class Captured:
    """The records of one capture."""

    def __init__(self, root: Path) -> None:
        self.events: list[dict[str, Any]] = []
        self.positions: dict[str, tuple[AuditLog, int]] = {}
        """Where each record stands, by its id."""
        self.operations: set[str] = set()
        self.runs: set[str] = set()
        """Runs that a request or a job of it touched."""
        self.sighted = Sighted(root)
        self.growing: Growing | None = None
        self.live: LiveDraft | None = None
        self._fresh: list[dict[str, Any]] = []
        """Records that the live draft does not have yet."""
        self._unhashed: deque[dict[str, Any]] = deque()

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The records of requests and answers."""
        return [event for event in self.events if event["category"] == "http_request"]

    @property
    def places(self) -> dict[str, Place]:
        """Where each record stands, whatever the file will be called."""
        return {record: log.place(position) for record, (log, position) in self.positions.items()}

    def take(self, event: dict[str, Any], log: AuditLog, position: int) -> None:
        """One more record, from the place where it stands."""
        self.events.append(event)
        self.positions[event["id"]] = (log, position)
        if event["operation_id"]:
            self.operations.add(event["operation_id"])
        run_id = (event["run_context"] or {}).get("run_id") if event["category"] in ("http_request", "rq_job") else None
        if run_id:
            self.runs.add(run_id)
        if self.growing is not None:
            self._learn(event)

    def grow(self, growing: Growing, earlier: Iterable[Mapping[str, Any]], live: LiveDraft | None) -> None:
        """Work out from now on what can be known before the end. `earlier` are requests from outside the capture."""
        self.growing, self.live = growing, live
        for event in earlier:
            growing.take(event)
        for event in self.events:
            self._learn(event)

    def notice(self, event: Mapping[str, Any]) -> None:
        """A request from outside the capture, while it goes on."""
        if self.growing is not None:
            self.growing.take(event)

    def show(self) -> None:
        """Put what is new into the live draft."""
        if self.live is not None and self._fresh:
            try:
                self.live.append(self._fresh)
            except OSError as error:
                logger.warning("The draft cannot be shown while it is recorded: %s", error)
                self.live.close()
                self.live = None
        self._fresh = []

    def work(self, bodies: Bodies, until: float) -> bool:
        """Work out what is known, until `until` (as `time.monotonic` has it). Returns whether something is left."""
        if self.growing is None:
            return False
        while self._unhashed:
            self.sighted.take(self._unhashed.popleft(), bodies)
            if time.monotonic() >= until:
                return True
        return self.growing.work(until)

    def _learn(self, event: dict[str, Any]) -> None:
        assert self.growing is not None
        self._fresh.append(event)
        self._unhashed.append(event)
        self.growing.take(event)
