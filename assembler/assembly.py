"""Follow the audit logs of one deployment and turn each capture into a draft.

A draft is a function of the log, the bodies and the snapshots it names, so nothing has to be remembered across a
crash but the snapshots: those are taken the moment a run first shows itself, and when a capture ends.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from assembler.baselines import Baseline, config_files, outputs, run_files
from assembler.breaks import breaks
from assembler.document import dump
from assembler.draft import Built, build
from assembler.drafts import SNAPSHOTS
from assembler.erasing import remember
from assembler.late import mend
from assembler.logs import AssemblyError, AuditLog, locate, logs_listed
from assembler.places import Place
from assembler.profile import slug_problem
from assembler.readme import preview, readme
from assembler.recording import Bodies, Recording, epoch
from assembler.storage import manifest_of, replace_tree
from assembler.windows import capture_id_of, captures_in
from assembler.wishes import grant
from recorder.captures import close_capture
from recorder.log import LOG_NAME
from recorder.manifest import FROM_ENVIRONMENT, OPEN

__all__ = ["AssemblyError", "DraftStatus", "assemble"]

_IDLE = 0.02
_CLOSED = ("ended", "discarded")
_NEVER = "9999"


@dataclass(frozen=True)
class DraftStatus:
    """What became of a draft."""

    state: str
    directory: Path
    steps: int = 0
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    events: int = 0
    late_secrets: int = 0


def assemble(
    source: Path,
    slug: str,
    data_root: Path,
    *,
    follow: bool = False,
    rebuild: bool = False,
    stop: threading.Event | None = None,
    progress: Callable[[DraftStatus], None] = lambda status: None,
) -> DraftStatus:
    """The draft of the newest capture called `slug`, from `source`: a RECORDER_ROOT or a run directory.

    With `follow`, waits for the capture to begin and to end. With `rebuild`, snapshots taken earlier are kept and the
    rest is made anew. Raises `AssemblyError`.
    """
    if problem := slug_problem(slug):
        raise AssemblyError(f"{problem}.")
    assembly = Assembly(source, data_root, slug)
    assembly.read()
    if not follow:
        capture = assembly.ended(slug)
        assembly.read(rest=True)
        status = assembly.finish(capture, fresh=not rebuild)
        progress(status)
        return status
    stop = stop or threading.Event()
    while True:
        assembly.read()
        newest = assembly.newest(slug)
        if newest is not None:
            assembly.watch(newest)
            if newest["state"] == "ended":
                assembly.read(rest=True)
                status = assembly.finish(newest, fresh=False)
                progress(status)
                return status
        if stop.wait(_IDLE):
            return DraftStatus("assembling", assembly.directory(slug))


class Assembly:
    """The logs below one RECORDER_ROOT, read as they grow. `slug` limits what is kept to one capture's name."""

    def __init__(self, source: Path, data_root: Path, slug: str | None = None) -> None:
        self.root, first = locate(source)
        self.data_root = data_root
        self.slug = slug
        self.logs: dict[Path, AuditLog] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        self._operations: dict[str, set[str]] = {}
        self._places: dict[str, Place] = {}
        self._opened: dict[str, tuple[Path, dict[str, Any]]] = {}
        self._tombstones: list[dict[str, Any]] = []
        self._listed = 0
        for path in (self.root / "_logs" / LOG_NAME, first):
            if path is not None:
                self.logs.setdefault(path, AuditLog(path))
        self._discover()
        self._made = {c["capture_id"] for c in self.captures() if c["state"] in _CLOSED}
        """Captures of which no draft is to be made any more, unless it is asked for by name."""

    def directory(self, slug: str) -> Path:
        """Where the draft of `slug` is written."""
        return self.data_root / "profiles" / "_drafts" / slug

    def _kept(self, capture: Mapping[str, Any]) -> Path:
        """Where the snapshots of a capture are, apart from the draft: replacing one must not endanger the other."""
        return self.directory(SNAPSHOTS) / str(capture["slug"]) / str(capture["capture_id"])

    # ------------------------------------------------------------------ reading

    def read(self, *, rest: bool = False) -> int:
        """Take in what every log has gained. Returns the number of events seen."""
        self._discover()
        count, since = 0, None
        for log in list(self.logs.values()):
            for offset, event in log.pull(rest=rest):
                since = since or self._since()
                count += 1
                self._take(log, offset, event, since)
        return count

    def _since(self) -> str:
        """When the first capture began of which a draft is still to be made; far in the future when there is none."""
        if self.slug is not None:
            newest = self.newest(self.slug)
            return str(newest["started"]) if newest else _NEVER
        return min((c["started"] for c in self.captures() if c["capture_id"] not in self._made), default=_NEVER)

    def _discover(self) -> None:
        """Logs that were opened since the last look, from `logs.jsonl`."""
        found, self._listed = logs_listed(self.root, self._listed)
        for path, run_id in found:
            self.logs.setdefault(path, AuditLog(path)).run_id = run_id

    def _take(self, log: AuditLog, offset: int, event: dict[str, Any], since: str) -> None:
        if event["payload"].get("kind") == "tombstone":
            self._tombstones.append(event["payload"])
            return
        if event["payload"].get("kind") == "log_opened":
            self._opened[event["writer"]] = (log.path, event)
        ids = event.get("capture_ids") or ()
        if not ids:
            # Effects of a captured operation belong to its capture even when the window has closed.
            ids = (
                self._operations.get(event.get("parent_id") or "")
                or self._operations.get(event.get("operation_id") or "")
                or ()
            )
        if not ids:
            if event["category"] == "http_request":
                log.keep(offset, event, since)
            return
        self._places[event["id"]] = log.place(offset)
        for capture_id in ids:
            self.events.setdefault(capture_id, []).append(event)
        if event.get("operation_id"):
            self._operations.setdefault(event["operation_id"], set()).update(ids)

    # ------------------------------------------------------------------ captures

    def captures(self) -> list[dict[str, Any]]:
        """Every capture that any log's manifest holds, oldest first."""
        found: dict[str, dict[str, Any]] = {}
        for directory in {log.path.parent for log in self.logs.values()}:
            for entry in captures_in(directory)[0]:
                found[entry["capture_id"]] = {**entry, "_logs": directory}
        return sorted(found.values(), key=lambda c: c["capture_id"])

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

    # ------------------------------------------------------------------ snapshots

    def watch(self, capture: Mapping[str, Any]) -> None:
        """Snapshot what a later moment may overwrite: the configuration of each run, when it first shows itself."""
        for run_id, run_dir in self._runs(capture).items():
            target = self._kept(capture) / _folder(run_id) / "config"
            if target.exists():
                continue
            files = {path.name: path for path in config_files(run_dir)}
            if files:
                replace_tree(target, files)

    def _runs(self, capture: Mapping[str, Any]) -> dict[str, Path]:
        """Run id to run directory of every run the capture touched."""
        touched = {
            (e.get("run_context") or {}).get("run_id")
            for e in self.events.get(capture["capture_id"], ())
            if e["category"] in ("http_request", "rq_job")
        }
        return {
            log.run_id: log.path.parent.parent
            for log in self.logs.values()
            if log.run_id and log.run_id in touched and log.path.parent.parent.is_dir()
        }

    def _baseline(self, capture: Mapping[str, Any]) -> Baseline:
        runs = self._runs(capture)
        if not runs:
            return Baseline()
        run_id, run_dir = next(iter(runs.items()))
        kept = self._kept(capture) / _folder(run_id)
        before = capture["_logs"] / "profile.snapshots" / capture["capture_id"]
        if before.is_dir():
            seed = dict(run_files(before))
        else:
            seed = {p.name: p for p in sorted((kept / "config").glob("*"))} if (kept / "config").is_dir() else {}
        if not (kept / "outputs").exists():
            created = 0.0 if before.is_dir() else self._created(capture, run_id)
            found = dict(run_files(run_dir))
            old = {name: path for name, path in found.items() if path.stat().st_mtime <= created and name not in seed}
            replace_tree(kept / "created", old)  # first: outputs that are there say that all of it is
            replace_tree(kept / "outputs", {name: path for name, path in found.items() if name not in old})
        created_names = [name for name, _ in run_files(kept / "created")]
        return Baseline(seed, outputs(kept / "outputs", seed), created_names)

    def _created(self, capture: Mapping[str, Any], run_id: str) -> float:
        """When the last request before the run's first was answered: its creation (POSIX seconds; 0 when unknown)."""
        requests = [e for e in self.events[capture["capture_id"]] if e["category"] == "http_request"]
        own = [e["timestamp"] for e in requests if (e.get("run_context") or {}).get("run_id") == run_id]
        answers = [e["timestamp"] for e in requests if e["stage"] == "finished" and own and e["timestamp"] < min(own)]
        return epoch(max(answers)) if answers else 0.0

    def _earlier(self, capture_id: str) -> list[tuple[Place, dict[str, Any]]]:
        """Requests outside the capture, with their places: those of no capture, and those of other captures."""
        found = {e["id"]: (place, e) for log in self.logs.values() for place, e in log.kept()}
        for other, events in self.events.items():
            if other != capture_id:
                found.update(
                    (e["id"], (self._places[e["id"]], e))
                    for e in events
                    if e["category"] == "http_request" and capture_id not in e["capture_ids"]
                )
        return list(found.values())

    # ------------------------------------------------------------------ the draft

    def finish(self, capture: Mapping[str, Any], *, fresh: bool) -> DraftStatus:
        """Write the draft of a capture, whole or not at all. `fresh` takes the run's files as they are now."""
        began = time.monotonic()
        if fresh:
            shutil.rmtree(self._kept(capture), ignore_errors=True)
        self.watch(capture)
        bodies = Bodies(*sorted({log.path.parent / "profile.bodies" for log in self.logs.values()}))
        captured = self.events.get(capture["capture_id"], [])
        earlier = self._earlier(capture["capture_id"])
        places = {**self._places, **{event["id"]: place for place, event in earlier}}
        events = _in_window([*(event for _, event in earlier), *captured], captured)
        remember(events, self._tombstones, bodies)
        refused = grant(events, places, bodies, self._tombstones, self.root)
        late = mend(events, places, bodies, self._tombstones, self.root)
        recording = Recording(events, capture["capture_id"], bodies)
        recording.notes.extend(sentence for log in self.logs.values() if (sentence := log.skipped()))
        if capture["state"] not in _CLOSED:
            recording.notes.append("The capture was still open; the draft ends with the last event found.")
        if capture.get("unsnapshotted"):
            recording.notes.append("The run directory could not be copied in time when the capture began.")
        recording.notes.extend(refused)
        recording.notes.extend(breaks(captured, self._opened))
        built = build(recording, capture["slug"], capture, self._baseline(capture))
        told = {id(event) for event in captured}
        events = [e for e in events if id(e) in told or e.get("operation_id") in built.prologue]
        return self._write(capture, built, events, late, began)

    def _write(
        self, capture: Mapping[str, Any], built: Built, events: list[dict[str, Any]], late: int, began: float
    ) -> DraftStatus:
        directory = self.directory(capture["slug"])
        files: dict[str, Path | bytes] = dict(built.files)
        files["profile.yaml"] = dump(
            built.document,
            head=f"Profile {capture['slug']}, drafted from a recording. Every value beside a # comment was worked out; edit what is wrong.",
        ).encode()
        files["README.md"] = readme(built).encode()
        files["events.jsonl"] = b"".join(orjson.dumps(e) + b"\n" for e in sorted(events, key=lambda e: e["id"]))
        files["preview.json"] = orjson.dumps(preview(built), option=orjson.OPT_INDENT_2)
        files["manifest.json"] = manifest_of(files)
        status = DraftStatus(
            "ready", directory, built.steps, tuple(built.warnings), tuple(built.problems), len(events), late
        )
        told = {
            "v": 1, "state": status.state, "slug": capture["slug"], "capture_id": capture["capture_id"], "steps": status.steps,
            "events": status.events, "warnings": list(status.warnings), "problems": list(status.problems),
            "late_secrets": status.late_secrets, "assembled_in_s": round(time.monotonic() - began, 3), "made": time.time(),
        }  # fmt: skip
        files["status.json"] = orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        previous = self.data_root / "profiles" / "_drafts" / ".previous" / capture["slug"]
        replace_tree(
            directory, files, keep=_finished_capture(directory), previous=previous, current=str(capture["capture_id"])
        )
        self._forget(capture)
        self._made.add(capture["capture_id"])
        return status

    def _forget(self, capture: Mapping[str, Any]) -> None:
        """Remove the snapshots of earlier captures of this name, whose drafts are made."""
        open_ones = {c["capture_id"] for c in self.captures() if c["state"] not in _CLOSED}
        for kept in self._kept(capture).parent.glob("*"):
            if kept.name < capture["capture_id"] and kept.name not in open_ones:
                shutil.rmtree(kept, ignore_errors=True)


def _finished_capture(directory: Path) -> str | None:
    """The capture of the draft that stands in `directory`, when it was finished."""
    try:
        return capture_id_of(orjson.loads((directory / "status.json").read_bytes())["capture_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _folder(run_id: str) -> str:
    """A run id as the name of one folder, whatever it holds."""
    return hashlib.sha256(run_id.encode()).hexdigest()[:16]


def _in_window(events: list[dict[str, Any]], captured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what came after the window's last captured event: later traffic is not what led up to it."""
    if not captured:
        return events
    last = max(e["timestamp"] for e in captured)
    return [e for e in events if e["timestamp"] <= last]
