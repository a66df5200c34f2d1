"""Capture windows: what happens between a start and an end is tagged, in every process alike.

The truth is on disk (`recorder.manifest`): a run's captures in the run, those of a session or of everything in
RECORDER_ROOT. Each boundary is also an event in the log beside the manifest, and `windows` names these events.
"""

from __future__ import annotations

import difflib
import logging
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from recorder import snapshots
from recorder.events import now, ulid
from recorder.log import LOG_NAME
from recorder.manifest import FROM_ENVIRONMENT, OPEN, Capture, Manifest, Scope, State
from recorder.replay import events_after
from recorder.settings import Settings

if TYPE_CHECKING:
    from recorder.core import Recorder

__all__ = ["Captures", "ConflictError", "Subject", "check_slug", "close_capture"]

logger = logging.getLogger("recorder")

SNAPSHOT_SECONDS = 10.0  # what the first requests of a capture may wait for the run's snapshot
SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
SCOPES: tuple[Scope, ...] = ("run", "session", "all")


class Subject(NamedTuple):
    """Whose captures are meant: those of a run (`directory`: where it is, for who knows), of a session, or of all."""

    run_id: str | None = None
    session: str | None = None
    directory: Path | None = None


ANYTHING = Subject()


class ConflictError(ValueError):
    """An open capture, `capture`, which the message names, covers the same or has the same slug."""

    def __init__(self, capture: Capture, *, same_scope: bool) -> None:
        what = {"run": f"run {capture['run_id']}", "session": "this session", "all": "everything"}[capture["scope"]]
        found = f"Capture {capture['capture_id']} ({capture['slug']}) is open since {capture['started']}"
        if same_scope:
            super().__init__(f"{found} for {what}; end or discard it first.")
        else:
            super().__init__(f"{found}: two of one slug would share a draft; end it first, or choose another slug.")
        self.capture = capture


class Captures:
    """A deployment's captures, as one process sees and changes them. Safe to call from any thread."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._root = Manifest(recorder.root_logs)
        self._runs: dict[Path, Manifest] = {}
        self._directories: dict[str, Path | None] = {}
        self._unreadable: set[Path] = set()
        if recorder.settings.capture is not None:
            self._start_configured(recorder.settings.capture)

    def covering(self, run_id: str | None, session: str | None, directory: Path | None = None) -> list[str]:
        """Return the ids of the captures that a request belongs to. Never blocks for long, never raises.

        Costs one or two `stat` calls while nothing changes. Paused captures cover nothing.
        """
        try:
            everywhere = self._root.open()
        except (OSError, ValueError) as error:
            everywhere = self._unread(self._root, error)
        found = [
            capture["capture_id"]
            for capture in everywhere
            if capture["state"] == "capturing"
            and (capture["scope"] == "all" or (capture["scope"] == "session" and capture["session"] == session))
        ]
        if run_id is not None and (manifest := self._of_run(run_id, directory)) is not None:
            found += [capture["capture_id"] for capture in self._open(manifest) if capture["run_id"] == run_id]
        return found

    def preparing(self, run_id: str | None, directory: Path | None = None) -> bool:
        """Return whether the run is being snapshotted for a capture that has just begun."""
        manifest = self._of_run(run_id, directory) if run_id is not None else None
        return manifest is not None and any(capture["state"] == "preparing" for capture in self._open(manifest))

    def wait_ready(self, run_id: str | None, timeout: float = SNAPSHOT_SECONDS, directory: Path | None = None) -> None:
        """Block until the run's snapshot is taken; after `timeout` seconds go on, the capture being `unsnapshotted`."""
        deadline, pause = time.monotonic() + timeout, 0.002
        while self.preparing(run_id, directory):
            if time.monotonic() > deadline:
                manifest = self._of_run(run_id or "", directory)
                assert manifest is not None
                with manifest.edit() as captures:
                    for capture in captures:
                        if capture["state"] == "preparing":
                            capture["state"], capture["unsnapshotted"] = "capturing", True
                return
            time.sleep(pause)
            pause = min(0.05, pause * 1.5)

    def start(self, slug: str, of: Subject, scope: Scope | None = None, notes: str = "") -> Capture:
        """Open a capture and return it; on a run, after the snapshot of its directory (10 s at most).

        Without `scope`: the run if there is one, else the session, else everything. Raises ValueError for a slug or
        scope that cannot be meant, LookupError when there is no such run, and ConflictError when a capture of the same
        scope, or of the same slug in the same place, is open.
        """
        check_slug(slug)
        scope = _scope(scope, of)
        manifest = self._of_run(of.run_id or "", of.directory) if scope == "run" else self._root
        if manifest is None or (scope == "run" and not manifest.log_dir.parent.is_dir()):
            raise LookupError(f"There is no run {of.run_id!r} (runs are found by RECORDER_RUN_ROOT).")
        if scope != "run":
            manifest.log_dir.mkdir(0o750, parents=True, exist_ok=True)
        capture: Capture = {
            "capture_id": ulid(),
            "slug": slug,
            "scope": scope,
            "run_id": of.run_id if scope == "run" else None,
            "session": of.session if scope == "session" else None,
            "state": "preparing" if scope == "run" else "capturing",
            "started": now(),
            "ended": None,
            "notes": notes,
            "unsnapshotted": False,
            "windows": [],
        }
        with manifest.edit() as captures:
            for other in captures:
                same_scope = all(other[key] == capture[key] for key in ("scope", "run_id", "session"))
                if other["state"] in OPEN and (same_scope or other["slug"] == slug):
                    raise ConflictError(other, same_scope=same_scope)
            capture["windows"].append([self._note("capture_started", capture, manifest), None])
            captures.append(capture)
        return self._snapshot(capture, manifest) if scope == "run" else capture

    def end(self, of: Subject, capture_id: str | None = None, notes: str | None = None) -> Capture:
        """Close a capture for good and return it. Raises LookupError when there is none to close."""
        return self._change("ended", OPEN, of, capture_id, notes)

    def discard(self, of: Subject, capture_id: str | None = None, notes: str | None = None) -> Capture:
        """As `end`, and say that no draft is wanted; of a capture that is named, also when it has ended already."""
        states = OPEN if capture_id is None else (*OPEN, "ended")
        return self._change("discarded", states, of, capture_id, notes)

    def commit(self, of: Subject, capture_id: str, notes: str | None = None) -> Capture:
        """Have the draft of an ended capture made of what its reviewer asked for. Raises LookupError when there is none."""
        return self._change("ended", ("ended",), of, capture_id, notes)

    def pause(self, of: Subject, capture_id: str | None = None, notes: str | None = None) -> Capture:
        """Cover nothing until `resume`. Raises LookupError when none is capturing."""
        return self._change("paused", ("capturing",), of, capture_id, notes)

    def resume(self, of: Subject, capture_id: str | None = None, notes: str | None = None) -> Capture:
        """Open a further window of a paused capture. Raises LookupError when none is paused."""
        return self._change("capturing", ("paused",), of, capture_id, notes)

    def current(self, of: Subject) -> Capture | None:
        """Return the open capture of the run, else of the session, else of everything; None when there is none."""
        found = self._nearest(of, OPEN)
        return found[0] if found else None

    def find(self, of: Subject, capture_id: str | None = None, states: Sequence[State] = OPEN) -> Capture:
        """Return the capture of this id; without one that of the run, else of the session, else of everything.

        Who names neither run nor session gets the only one there is, wherever it is. Raises LookupError, saying what
        there is instead.
        """
        return self._find(of, capture_id, states)[0]

    def log_of(self, capture: Capture) -> Path:
        """Return the audit log beside the capture's manifest."""
        return self._find(Subject(capture["run_id"]), capture["capture_id"], OPEN)[1].log_dir / LOG_NAME

    def _find(self, of: Subject, capture_id: str | None, states: Sequence[State]) -> tuple[Capture, Manifest]:
        if capture_id is not None:
            for capture, place in (*self._near(of), *self._everywhere()):
                if capture["capture_id"] == capture_id:
                    return capture, place
            raise LookupError(f"There is no capture {capture_id!r}.")
        if (nearest := self._nearest(of, states)) is not None:
            return nearest
        found = [pair for pair in self._everywhere() if pair[0]["state"] in states] if of == ANYTHING else []
        if len(found) == 1:
            return found[0]
        kind = states[0] if len(states) == 1 else "open"
        if not found:
            raise LookupError(f"No capture is {kind}.")
        names = ", ".join(f"{capture['capture_id']} ({capture['slug']})" for capture, _ in found)
        raise LookupError(f"Several captures are {kind}; name one of them by its capture_id: {names}.")

    def _near(self, of: Subject) -> list[tuple[Capture, Manifest]]:
        own = self._of_run(of.run_id, of.directory) if of.run_id is not None else None
        return [(capture, place) for place in (own, self._root) if place for capture in self._on_disk(place)]

    def _nearest(self, of: Subject, states: Sequence[State]) -> tuple[Capture, Manifest] | None:
        near = self._near(of)
        for scope in SCOPES:
            for capture, place in near:
                if capture["scope"] == scope and capture["state"] in states and _concerns(capture, of):
                    return capture, place
        return None

    def _change(
        self, state: State, from_: Sequence[State], of: Subject, capture_id: str | None, notes: str | None
    ) -> Capture:
        wanted, manifest = self._find(of, capture_id, from_)
        kind = "capture_resumed" if state == "capturing" else f"capture_{state}"
        with manifest.edit() as captures:
            capture = next(each for each in captures if each["capture_id"] == wanted["capture_id"])
            if capture["state"] not in from_:
                raise LookupError(f"Capture {capture['capture_id']} ({capture['slug']}) is {capture['state']}.")
            if capture["state"] == state:
                kind, capture["revision"] = "capture_committed", capture.get("revision", 0) + 1
            capture["state"] = state
            if notes is not None:
                capture["notes"] = notes
            if state in ("ended", "discarded"):
                capture["ended"] = capture["ended"] or now()
            boundary = self._note(kind, capture, manifest)
            if state == "capturing":
                capture["windows"].append([boundary, None])
            elif capture["windows"] and capture["windows"][-1][1] is None:
                capture["windows"][-1][1] = boundary
        return capture

    def _snapshot(self, capture: Capture, manifest: Manifest) -> Capture:
        run, target = manifest.log_dir.parent, manifest.log_dir / snapshots.SNAPSHOTS_NAME / capture["capture_id"]
        try:
            taken = snapshots.take(run, target, SNAPSHOT_SECONDS)
        except OSError as error:
            self._recorder.fault("snapshot", error)
            taken = snapshots.Snapshot(complete=False)
        with manifest.edit() as captures:
            capture = next(each for each in captures if each["capture_id"] == capture["capture_id"])
            if capture["state"] == "preparing":
                capture["state"], capture["unsnapshotted"] = "capturing", not taken.complete
            found = {"files": taken.files, "size": taken.size, "skipped": taken.skipped[:1000]}
            self._note("capture_snapshot", capture, manifest, unsnapshotted=capture["unsnapshotted"], **found)
        if capture["unsnapshotted"]:  # the application did not wait for the copy: it is of no one moment
            snapshots.remove(target)
        return capture

    def _start_configured(self, slug: str) -> None:
        """Open what RECORDER_CAPTURE names, unless it is open: every worker asks, and so does every restart."""
        try:
            self.start(slug, ANYTHING, "all", FROM_ENVIRONMENT)
        except ConflictError as error:
            if error.capture["slug"] != slug:
                logger.error("recorder: RECORDER_CAPTURE=%s was not started. %s", slug, error)
        except (OSError, ValueError) as error:
            self._recorder.fault("RECORDER_CAPTURE", error)

    def _note(self, kind: str, capture: Capture, manifest: Manifest, **more: object) -> str:
        """Write a boundary to the log beside the manifest and return the event's id."""
        payload = {"kind": kind, **{key: capture[key] for key in ("capture_id", "slug", "scope", "notes")}, **more}
        return self._recorder.emit(
            "system_log",
            None,
            payload,
            run_context={"run_id": capture["run_id"], "config": None} if capture["run_id"] else None,
            capture_ids=(capture["capture_id"],),
            log_dir=manifest.log_dir,
        )

    def _of_run(self, run_id: str, directory: Path | None) -> Manifest | None:
        if directory is not None:
            _remember(self._directories, run_id, directory)  # by a request's path; asked for later by the id alone
        else:
            directory = self._directories.get(run_id) or self._recorder.runs.directory(run_id)
            _remember(self._directories, run_id, directory)
        if directory is None:
            return None
        manifest = self._runs.get(directory)
        if manifest is None:
            manifest = Manifest(directory / "_logs")
            _remember(self._runs, directory, manifest)
        return manifest

    def _on_disk(self, manifest: Manifest) -> Sequence[Capture]:
        try:
            return manifest.captures()
        except (OSError, ValueError) as error:
            return self._unread(manifest, error)

    def _open(self, manifest: Manifest) -> Sequence[Capture]:
        try:
            return manifest.open()
        except (OSError, ValueError) as error:
            return self._unread(manifest, error)

    def _unread(self, manifest: Manifest, error: Exception) -> Sequence[Capture]:
        if manifest.path not in self._unreadable:  # said once, not with every request
            self._unreadable.add(manifest.path)
            self._recorder.fault("capture windows", error)
        return ()

    def _everywhere(self) -> Iterator[tuple[Capture, Manifest]]:
        for manifest in self._every_manifest():
            for capture in self._on_disk(manifest):
                yield capture, manifest

    def log_dirs(self) -> list[Path]:
        """Return every `_logs` directory of the deployment, the root's first."""
        return [manifest.log_dir for manifest in self._every_manifest()]

    def _every_manifest(self) -> list[Manifest]:
        """The root's manifest and those of every run whose log was ever opened."""
        found = {self._root.log_dir: self._root}
        try:
            lines = (self._recorder.settings.root / "logs.jsonl").read_bytes().splitlines()
        except FileNotFoundError:
            lines = []
        for line in filter(None, lines):
            log_dir = Path(orjson.loads(line)["log"]).parent
            if log_dir not in found:
                found[log_dir] = self._runs.get(log_dir.parent) or Manifest(log_dir)
        return list(found.values())

    def list(self, of: Subject = ANYTHING) -> list[Capture]:
        """Return the captures of a run, or without a run every one of the deployment, oldest first."""
        manifests = self._every_manifest() if of.run_id is None else [self._of_run(of.run_id, of.directory)]
        found = [capture for manifest in manifests if manifest for capture in self._on_disk(manifest)]
        return sorted(found, key=lambda capture: (capture["started"], capture["capture_id"]))


def check_slug(slug: str) -> None:
    """Raise ValueError, with the nearest valid one, unless this can name a profile (and so a directory)."""
    if SLUG.fullmatch(slug) and ".." not in slug:
        return
    nearest = re.sub(r"\.\.+", ".", re.sub(r"[^a-z0-9._-]+", "-", slug.lower())).lstrip("-._")[:80].rstrip("-")
    raise ValueError(
        f"{slug!r} cannot be a slug: at most 80 of a-z, 0-9, '.', '_' and '-', a letter or digit first, no '..'; "
        f"try {nearest or 'my-profile'!r}."
    )


def _remember(known: dict[Any, Any], key: object, value: object) -> None:
    if len(known) > 4096 and key not in known:
        known.clear()
    known[key] = value


def _concerns(capture: Capture, of: Subject) -> bool:
    return capture["session"] in (None, of.session) and capture["run_id"] in (None, of.run_id)


def close_capture(path: Path, capture_id: str | None = None, notes: str | None = None) -> Capture:
    """End a capture while the application is down, and return it. `path` is RECORDER_ROOT or a run's directory.

    Without an id: the one that is open there. Raises LookupError when there is none, or when several are open.
    """
    from recorder.core import Recorder

    root = _root_of(path.absolute())
    captures = Captures(Recorder(Settings(root=root)))
    run = path.absolute() if root != path.absolute() else None
    open_here = captures.list(Subject(run.name, None, run)) if run else []
    open_here = [capture for capture in open_here if capture["state"] in OPEN]
    if capture_id is None and len(open_here) == 1:
        capture_id = open_here[0]["capture_id"]
    return captures.end(ANYTHING, capture_id, notes)


def _root_of(path: Path) -> Path:
    """The RECORDER_ROOT that a run's log names in its first record; for a root itself, that root."""
    log = path / "_logs" / LOG_NAME
    if (path / "logs.jsonl").exists():
        return path
    for event in events_after(log):
        if event.get("payload", {}).get("kind") == "log_opened":
            return Path(event["payload"]["recorder_root"])
    if not log.exists():
        raise LookupError(f"{path} is neither a RECORDER_ROOT nor a run's directory: {log} is not there.")
    return path


def _scope(scope: Scope | None, of: Subject) -> Scope:
    if scope is None:
        return "run" if of.run_id is not None else "session" if of.session is not None else "all"
    if scope not in SCOPES:
        close = difflib.get_close_matches(str(scope), SCOPES, n=1, cutoff=0.3)
        meant = f"did you mean {close[0]!r}? " if close else ""
        raise ValueError(f"scope {scope!r} is not known; {meant}valid: {', '.join(SCOPES)}.")
    if scope == "run" and of.run_id is None:
        raise ValueError("scope 'run' needs a run_id.")
    if scope == "session" and of.session is None:
        raise ValueError("scope 'session' needs a browser's recorder_session cookie; GET status sets it.")
    return scope
