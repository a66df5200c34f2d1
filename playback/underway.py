"""Which replays are under way, as seen from other processes and by the service that comes after one that was killed.

A service keeps a file for each of its runs, queued ones included, below `playback_runs/.under_way/`, and every replay
holds its workspace. Both are locks (flock(2)), which the kernel lets go when their program ends, however it ends:
what is locked belongs to somebody, and a file that nobody holds is a run that was cut off.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from assembler.profile import slug_problem
from playback import results
from playback.report import Report
from playback.trash import discard

__all__ = ["Claim", "Entry", "claim_folder", "interrupted", "is_claimed", "now", "recover", "run_root"]

FOLDER = Path("playback_runs/.under_way")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_RUN_ID = re.compile(r"[0-9a-f]{32}")
KILLED = "The playback service ended before the verdict; start the run again."


@dataclass(frozen=True)
class Entry:
    """What is known of a run while it has no report. `run_root` is where its workspace may lie."""

    run_id: str
    profile: str
    started_at: str
    run_root: str


class Claim:
    """A run's file, locked until `release`."""

    def __init__(self, data_root: Path, entry: Entry) -> None:
        """Write and lock it. Raises OSError."""
        self.path = data_root / FOLDER / f"{entry.run_id}.json"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Locked before it has its name: whoever sees the file sees that it is held.
        growing = self.path.with_suffix(".new")
        self._file = growing.open("w", encoding="utf-8")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._file.write(json.dumps(asdict(entry)))
        self._file.flush()
        growing.rename(self.path)

    def release(self) -> None:
        """The run has its report, or was refused."""
        self.path.unlink(missing_ok=True)
        self._file.close()


@contextlib.contextmanager
def claim_folder(folder: Path) -> Iterator[None]:
    """Hold `folder`, so that no housekeeping takes it away; where the file system has no locks, nothing happens."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_claimed(data_root: Path, workspace: Path) -> bool:
    """Whether a replay that lives uses `workspace`, or is about to."""
    run_id = workspace.name.strip(".").partition(".")[0].removeprefix("pictures-")
    return _is_locked(workspace) or _is_locked(data_root / FOLDER / f"{run_id}.json")


def run_root(data_root: Path, given: str | None) -> Path:
    """Where workspaces are made: PROFILE_PLAYBACK_RUN_ROOT, or `playback_runs` in the data root."""
    return Path(given) if given else data_root / "playback_runs"


def _workspaces(data_root: Path, root: Path, run_id: str) -> Iterator[Path]:
    """Everything that a run may have left half-way."""
    yield root / run_id
    yield root / f".{run_id}.cloning"
    yield data_root / "playback_runs" / f".pictures-{run_id}"


def interrupted(entry: Entry, why: str) -> Report:
    """The report of a run that was ended before it could write its own."""
    return Report(entry.profile, entry.run_id, "interrupted", entry.started_at, 0.0, None, None, error=why)


def recover(data_root: Path) -> list[Entry]:
    """Give every run that was cut off its report, and take its workspace away. Returns those runs, oldest first."""
    found: list[Entry] = []
    for path in sorted((data_root / FOLDER).glob("*.json")):
        # What cannot be written now is tried again by the next service.
        with contextlib.suppress(OSError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                entry = _entry(path.stem, file.read())
            except BlockingIOError:
                continue  # of a service that lives
            except (ValueError, TypeError):
                path.unlink()
                continue
            kept = results.find(data_root, entry.run_id)
            if kept is None:
                results.write(interrupted(entry, KILLED), data_root)
            if kept is None or kept[1].get("result") == "passed":  # else it was kept for whoever looks for the reason
                for left in _workspaces(data_root, Path(entry.run_root), entry.run_id):
                    discard(left)
            path.unlink()
            found.append(entry)
    return sorted(found, key=lambda entry: entry.started_at)


def now() -> str:
    """The time as reports have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _entry(run_id: str, text: bytes) -> Entry:
    """The entry in a file. Raises ValueError or TypeError for one that no service wrote."""
    entry = Entry(**json.loads(text))
    if entry.run_id != run_id or not _RUN_ID.fullmatch(run_id) or slug_problem(entry.profile):
        raise ValueError("not an entry")
    if not _MOMENT.fullmatch(entry.started_at):
        raise ValueError("not a moment")
    return entry


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False
