"""Turn each capture of a deployment into a draft: its audit logs, what in them belongs to which capture, the draft of one.

A draft is a function of the log, the bodies and the snapshots it names, so nothing has to be remembered across a
crash but the snapshots: those are taken the moment a run first shows itself, and when a capture ends.
"""

from __future__ import annotations

import contextlib
import difflib
import shutil
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from assembler.baselines import Baseline
from assembler.breaks import breaks
from assembler.captured import Captured
from assembler.draft import build
from assembler.drafts import SNAPSHOTS
from assembler.erasing import remember
from assembler.growing import Growing
from assembler.late import mend
from assembler.ledger import Ledger
from assembler.live import LiveDraft
from assembler.logs import AssemblyError, AuditLog, locate, logs_listed
from assembler.places import Place
from assembler.profile import slug_problem
from assembler.recording import Bodies, Recording
from assembler.run_copies import baseline, keep_configuration
from assembler.windows import CLOSED, Windows
from assembler.wishes import dropped, grant
from assembler.writing import DraftStatus, draft_folder, previous_folder, write_draft
from recorder.captures import close_capture
from recorder.log import LOG_NAME
from recorder.manifest import FROM_ENVIRONMENT, OPEN

__all__ = ["Assembly", "AssemblyError", "DraftStatus", "assemble"]

_NEVER = "9999"
_OF_REVIEWS = ("redact", "drop", "capture_committed")
"""Kinds of records that come when a capture has ended: they say nothing of when that was."""


def assemble(source: Path, slug: str, data_root: Path, *, rebuild: bool = False) -> DraftStatus:
    """The draft of the newest capture called `slug`, from `source`: a RECORDER_ROOT or a run directory.

    With `rebuild`, snapshots taken earlier are kept and the rest is made anew. Raises `AssemblyError`.
    """
    if problem := slug_problem(slug):
        raise AssemblyError(f"{problem}.")
    assembly = Assembly(source, data_root, slug)
    assembly.read()
    capture = assembly.ended(slug)
    assembly.read(rest=True)
    return assembly.finish(capture, fresh=not rebuild)


class Assembly:
    """The logs below one RECORDER_ROOT, read as they grow. `slug` limits what is kept to one capture's name; `resume` goes
    on where an earlier one was that saved its place."""

    def __init__(self, source: Path, data_root: Path, slug: str | None = None, *, resume: bool = False) -> None:
        self.root, first = locate(source)
        self.data_root = data_root
        self.slug = slug
        self.logs: dict[Path, AuditLog] = {}
        self._bodies = Bodies()
        self._captured: dict[str, Captured] = {}
        self._of_operation: dict[str, set[str]] = {}
        """Operation to the captures that it belongs to."""
        self._opened: dict[str, tuple[Path, dict[str, Any]]] = {}
        self._tombstones: list[dict[str, Any]] = []
        self._windows = Windows()
        self._listed = 0
        self._begun = Ledger.load(data_root, self.root) if resume else Ledger()
        self._opened.update(self._begun.opened)
        for path in (self.root / "_logs" / LOG_NAME, first):
            if path is not None:
                self._open(path)
        self._discover()
        self.made: set[str] = set()
        """Captures of which no draft is to be made (any more): their requests are as good as anybody's."""
        newest = self.newest(slug) if slug is not None else None
        for capture in self.captures():
            is_newest = newest is not None and capture["capture_id"] == newest["capture_id"]
            if not is_newest and (capture["state"] in CLOSED or slug not in (None, capture["slug"])):
                self.made.add(capture["capture_id"])

    def _kept(self, capture: Mapping[str, Any]) -> Path:
        """Where the snapshots of a capture are, apart from the draft: replacing one must not endanger the other."""
        return draft_folder(self.data_root, SNAPSHOTS) / str(capture["slug"]) / str(capture["capture_id"])

    # ------------------------------------------------------------------ reading

    def read(self, logs: Collection[Path] | None = None, *, rest: bool = False) -> int:
        """Take in what every log, or these, have gained. Returns the number of events seen."""
        self._discover()
        count, since = 0, None
        # What others do while a capture goes on may be needed to understand it.
        apart = None if any(captured.growing for captured in self._captured.values()) else self._of_operation
        for log in [log for path, log in self.logs.items() if logs is None or path in logs]:
            for position, event in log.pull(rest=rest, operations=apart):
                since = since or self._since()
                count += 1
                if isinstance(event, str):
                    log.keep(position, event, since)
                else:
                    self._take(log, position, event, since)
        for captured in self._captured.values():
            captured.show()
        return count

    def _since(self) -> str:
        """When the first capture began of which a draft is still to be made; far in the future when there is none."""
        if self.slug is not None:
            newest = self.newest(self.slug)
            return str(newest["started"]) if newest else _NEVER
        return min((c["started"] for c in self.captures() if c["capture_id"] not in self.made), default=_NEVER)

    def _discover(self) -> None:
        """Logs that were opened since the last look, from `logs.jsonl`."""
        found, self._listed = logs_listed(self.root, self._listed)
        for path, run_id in found:
            self._open(path).run_id = run_id

    def _open(self, path: Path) -> AuditLog:
        if path not in self.logs:
            self.logs[path] = AuditLog(path)
            if path in self._begun.places:
                self.logs[path].resume(self._begun.places[path])
            self._bodies.directories = sorted({log.parent / "profile.bodies" for log in self.logs})
        return self.logs[path]

    def _take(self, log: AuditLog, position: int, event: dict[str, Any], since: str) -> None:
        if event["category"] == "system_log":
            kind = event["payload"]["kind"]
            if kind == "tombstone":
                self._tombstones.append(event["payload"])
                return
            if kind == "log_opened":
                self._opened[event["writer"]] = (log.path, event)
        captures = event["capture_ids"]
        if captures and not self.made.isdisjoint(captures):
            captures = [capture_id for capture_id in captures if capture_id not in self.made]
        if not captures:
            # Effects of a captured operation belong to its capture even when the window has closed.
            captures = self._of_operation.get(event["parent_id"]) or self._of_operation.get(event["operation_id"])
            if not captures:
                if event["category"] == "http_request":
                    log.keep(position, event["timestamp"], since)
                    for captured in self._captured.values():
                        captured.notice(event)
                return
        for capture_id in captures:
            if capture_id not in self._captured:
                self._captured[capture_id] = Captured(self.root)
            self._captured[capture_id].take(event, log, position)
        if operation := event["operation_id"]:
            self._of_operation.setdefault(operation, set()).update(captures)

    def save_place(self) -> None:
        """Write down where reading has to begin again, for the next one that resumes. Raises OSError."""
        first: dict[Path, int] = {}
        for captured in self._captured.values():
            for log, position in captured.positions.values():
                first[log.path] = min(position, first.get(log.path, position))
        places = {path: place for path, log in self.logs.items() if (place := log.needed_from(first.get(path)))}
        Ledger(places, self._opened).save(self.data_root, self.root)

    # ------------------------------------------------------------------ captures

    def captures(self) -> list[dict[str, Any]]:
        """Every capture that any log's manifest holds, oldest first."""
        return self._windows.of({path.parent for path in self.logs})

    def newest(self, slug: str) -> dict[str, Any] | None:
        """The newest capture called `slug`, if any."""
        return next((c for c in reversed(self.captures()) if c["slug"] == slug and c["state"] != "discarded"), None)

    def capture(self, slug: str) -> dict[str, Any]:
        """The newest capture called `slug`. Raises `AssemblyError` naming the nearest one."""
        if found := self.newest(slug):
            return found
        captures = self.captures()
        if any(c["slug"] == slug for c in captures):
            raise AssemblyError(f"The capture {slug!r} in {self.root} was discarded; record it anew.")
        names = sorted({c["slug"] for c in captures if c["state"] != "discarded"})
        for path, fault in self._windows.faults.items():
            known = f"{self.root} has no capture called {slug!r} that is known"
            raise AssemblyError(f"{known}, but {path} {fault}; put back a sound copy of it.")
        if not names:
            raise AssemblyError(
                f"{self.root} has no capture. Start one with POST {{RECORDER_PREFIX}}/captures/start, `wctl capture start`, or "
                "RECORDER_CAPTURE=<slug> when the application starts."
            )
        near = difflib.get_close_matches(slug, names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}."
        raise AssemblyError(f"{self.root} has no capture called {slug!r}; {hint}")

    def ended(self, slug: str) -> dict[str, Any]:
        """The newest capture called `slug`; one that the environment opened ends here, for nobody else will end it.

        What the same server goes on doing, or the next one on the same RECORDER_ROOT, is not part of it.
        """
        capture = self.capture(slug)
        if capture["state"] in OPEN and capture["notes"] == FROM_ENVIRONMENT:
            # Where the log may not be written, the capture stays open and the draft says so.
            with contextlib.suppress(OSError, LookupError):
                close_capture(self.root, capture["capture_id"])
        return self.capture(slug)

    # ------------------------------------------------------------------ while it goes on

    def watch(self, capture: Mapping[str, Any]) -> None:
        """Keep up with a capture that is open: its live draft, what can be worked out early, each run's configuration."""
        capture_id = str(capture["capture_id"])
        captured = self._captured[capture_id] = self._of(capture_id)
        if captured.growing is None:
            live = self._live_draft(capture)
            captured.grow(Growing(capture_id, self._bodies), [event for _, event in self._earlier(capture_id)], live)
            captured.show()
        self._keep_configurations(capture)

    def work(self, until: float) -> bool:
        """Work out what is known, until `until` (as `time.monotonic` has it). Returns whether something is left."""
        return any(captured.work(self._bodies, until) for captured in [*self._captured.values()])

    def drop(self, capture: Mapping[str, Any]) -> None:
        """Forget a capture that was discarded, its live draft included."""
        captured = self._captured.get(capture["capture_id"])
        if captured is not None and captured.live is not None:
            captured.live.discard()
            captured.live = None
        self._retire(capture["capture_id"])

    def _live_draft(self, capture: Mapping[str, Any]) -> LiveDraft | None:
        directory = draft_folder(self.data_root, capture["slug"])
        open_ones = {c["capture_id"] for c in self.captures() if c["state"] not in CLOSED}
        if LiveDraft.stands_for_another(directory, capture["capture_id"], open_ones):
            return None
        return LiveDraft(directory, capture, previous_folder(self.data_root, capture["slug"]))

    def _keep_configurations(self, capture: Mapping[str, Any]) -> None:
        for run_id, run_dir in self._runs(capture).items():
            keep_configuration(self._kept(capture), run_id, run_dir)

    def _runs(self, capture: Mapping[str, Any]) -> dict[str, Path]:
        """Run id to run directory of every run the capture touched."""
        touched = self._of(capture["capture_id"]).runs
        return {
            log.run_id: log.path.parent.parent
            for log in self.logs.values()
            if log.run_id and log.run_id in touched and log.path.parent.parent.is_dir()
        }

    def _of(self, capture_id: str) -> Captured:
        return self._captured.get(capture_id) or Captured(self.root)

    def _earlier(self, capture_id: str) -> list[tuple[Place, dict[str, Any]]]:
        """Requests outside the capture, with their places: those of no capture, and those of other captures."""
        found = {e["id"]: (place, e) for log in self.logs.values() for place, e in log.kept()}
        for other, captured in self._captured.items():
            if other != capture_id:
                places = captured.places
                found.update((e["id"], (places[e["id"]], e)) for e in captured.requests)
        return [(place, e) for place, e in found.values() if capture_id not in e["capture_ids"]]

    # ------------------------------------------------------------------ the draft

    def finish(self, capture: Mapping[str, Any], *, fresh: bool) -> DraftStatus:
        """Write the draft of a capture, whole or not at all. `fresh` takes the run's files as they are now."""
        began = time.monotonic()
        capture_id = str(capture["capture_id"])
        if fresh:
            shutil.rmtree(self._kept(capture), ignore_errors=True)
        self._keep_configurations(capture)
        bodies, of_capture = self._bodies, self._of(capture_id)
        earlier = self._earlier(capture_id)
        places = {**of_capture.places, **{event["id"]: place for place, event in earlier}}
        events = _in_window([*(event for _, event in earlier), *of_capture.events], of_capture.events)
        told = len(self._tombstones)
        of_capture.sighted.forget(str(mark.get("record")) for mark in self._tombstones)
        remember(events, self._tombstones, bodies)
        refused = grant(events, places, bodies, self._tombstones, self.root)
        of_capture.sighted.forget(str(mark.get("record")) for mark in self._tombstones[told:])
        late = mend(events, places, bodies, self._tombstones, of_capture.sighted, self.root)
        recording = Recording(events, capture_id, bodies)
        recording.notes.extend(sentence for log in self.logs.values() if (sentence := log.skipped()))
        recording.notes.extend(self._windows.missing(self.root))
        if capture["state"] not in CLOSED:
            recording.notes.append("The capture was still open; the draft ends with the last event found.")
        if capture.get("unsnapshotted"):
            recording.notes.append("The run directory could not be copied in time when the capture began.")
        recording.notes.extend(refused)
        recording.notes.extend(breaks(of_capture.events, self._opened))
        # What was overwritten was something else when it was worked out.
        overwritten = {str(mark.get("record")) for mark in self._tombstones}
        growing = None if overwritten.intersection(places) else of_capture.growing
        digest = of_capture.sighted.pseudonyms.digest
        unwanted = dropped(of_capture.events)
        built = build(recording, capture["slug"], capture, self._baseline(capture), digest, growing, unwanted)
        own = {id(event) for event in of_capture.events}
        events = [e for e in events if id(e) in own or e["operation_id"] in built.prologue]
        events = _without(events, built.dropped)
        status = write_draft(self.data_root, capture, built, events, late, began)
        self._retire(capture_id)
        self._forget_snapshots(capture)
        return status

    def _baseline(self, capture: Mapping[str, Any]) -> Baseline:
        for run_id, run_dir in self._runs(capture).items():
            before = capture["_logs"] / "profile.snapshots" / capture["capture_id"]
            return baseline(self._kept(capture), run_id, run_dir, before, self._of(capture["capture_id"]).events)
        return Baseline()

    def _retire(self, capture_id: str) -> None:
        """A capture of which nothing is wanted any more: what others may need of it is kept as any request is."""
        self.made.add(capture_id)
        captured = self._captured.pop(capture_id, None)
        if captured is None:
            return
        if captured.live is not None:
            captured.live.close()
        for operation in captured.operations:
            others = self._of_operation.get(operation, set())
            others.discard(capture_id)
            if not others:
                self._of_operation.pop(operation, None)
        since = self._since()
        for event in captured.requests:
            log, position = captured.positions[event["id"]]
            log.keep(position, event["timestamp"], since)

    def _forget_snapshots(self, capture: Mapping[str, Any]) -> None:
        """Remove the snapshots of earlier captures of this name, whose drafts are made."""
        open_ones = {c["capture_id"] for c in self.captures() if c["state"] not in CLOSED}
        for kept in self._kept(capture).parent.glob("*"):
            if kept.name < capture["capture_id"] and kept.name not in open_ones:
                shutil.rmtree(kept, ignore_errors=True)


def _in_window(events: list[dict[str, Any]], captured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what came after the window's last captured event: later traffic is not what led up to it."""
    if not captured:
        return events
    last = max(e["timestamp"] for e in captured if e["payload"].get("kind") not in _OF_REVIEWS)
    return [e for e in events if e["timestamp"] <= last or e["payload"].get("kind") in _OF_REVIEWS]


def _without(events: list[dict[str, Any]], dropped: Collection[str]) -> list[dict[str, Any]]:
    """Without what these operations did, and what came of that."""
    gone = set(dropped)
    while gone and (more := {e["operation_id"] for e in events if e["parent_id"] in gone} - gone):
        gone |= more
    return [e for e in events if e["operation_id"] not in gone]
