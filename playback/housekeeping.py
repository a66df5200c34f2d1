"""What replays and recordings leave behind, and when it goes. Promoted profiles are never touched.

| what | goes |
|---|---|
| drafts | 30 days after they were made, with a notice from the 23rd on |
| replaced drafts, snapshots without a draft | after 30 days |
| results of a profile | after 7 days (PROFILE_PLAYBACK_KEEP_DAYS), but not the last 20 (PROFILE_PLAYBACK_KEEP_RUNS) |
| workspaces of replays | after as many days without a change |
| what a killed replay left half made | after a day |
| discarded workspaces | at once |

Only folders of these kinds in their own places are looked at; links are never followed. What belongs to a replay that
is under way stays, whichever program replays.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

from assembler import drafts
from playback.errors import PlaybackError
from playback.results import RESULTS
from playback.trash import TRASH, delete
from playback.underway import is_claimed, run_root
from playback.whole_numbers import whole_number

__all__ = ["Action", "AlreadyRunning", "Retention", "housekeeping", "plan"]

NOTICE = 23
DRAFTS = 30
HALF_MADE = 1
"""Days."""
DAY = 86_400.0

_WORKSPACE = re.compile(r"[0-9a-f]{32}")
_HALF_MADE = re.compile(r"\.[0-9a-f]{32}\.cloning|\.pictures-[0-9a-f]{32}|\.artifacts")
_RESULT = re.compile(r"\d{8}T\d{6}(?:\.\d+)?Z(?:-\d+)?")


@dataclass(frozen=True)
class Retention:
    """How long stays what finished replays leave: `days`, and the last `runs` results of a profile whatever their age."""

    runs: int = 20
    days: int = 7

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """As PROFILE_PLAYBACK_KEEP_RUNS and PROFILE_PLAYBACK_KEEP_DAYS say. Raises BadSetting."""
        return cls(
            whole_number(environ, "PROFILE_PLAYBACK_KEEP_RUNS", cls.runs, least=1),
            whole_number(environ, "PROFILE_PLAYBACK_KEEP_DAYS", cls.days),
        )


class AlreadyRunning(PlaybackError):
    """Another housekeeping works on the same data root."""


@dataclass(frozen=True)
class Action:
    """One thing to tell or to take away. `why` is a short phrase for people."""

    kind: Literal["notice", "remove"]
    what: str
    why: str
    paths: tuple[Path, ...] = ()

    def line(self, *, dry_run: bool = False) -> str:
        """The action in words."""
        verb = "notice:" if self.kind == "notice" else "would remove" if dry_run else "removed"
        return f"{verb} {self.what}, {self.why}"


def housekeeping(
    data_root: Path, environ: Mapping[str, str], now: float, *, dry_run: bool = False, keep: Retention | None = None,
    drafts: bool = True, tell: Callable[[Action], None] = lambda action: None,
) -> int:  # fmt: skip
    """Take away what is due at `now` (seconds since 1970), telling each action; return how many things went.

    Raises AlreadyRunning, and BadSetting unless `keep` is given. `dry_run` changes nothing; without `drafts` only what
    replays left is looked at.
    """
    keep = keep or Retention.of(environ)
    gone = 0
    with contextlib.nullcontext() if dry_run else _alone(data_root):
        for action in list(plan(data_root, environ, now, keep, drafts=drafts)):
            if action.kind == "remove" and not dry_run:
                for path in action.paths:
                    delete(path)
            gone += action.kind == "remove"
            tell(action)
    return gone


def plan(
    data_root: Path, environ: Mapping[str, str], now: float, keep: Retention, *, drafts: bool = True
) -> Iterator[Action]:
    """What is due at `now`, oldest drafts first."""
    if drafts:
        yield from _drafts(data_root, now)
        yield from _replaced(data_root, now)
    for slug in _folders(data_root / RESULTS):
        yield from _results(slug, now, keep)
    yield from _workspaces(data_root, run_root(data_root, environ.get("PROFILE_PLAYBACK_RUN_ROOT")), now, keep)


def _drafts(data_root: Path, now: float) -> Iterator[Action]:
    root = data_root / "profiles" / "_drafts"
    for draft in drafts.list_drafts(data_root):
        if draft.directory.is_symlink():
            continue
        days = (now - draft.made.timestamp()) / DAY
        made = f"made {draft.made:%Y-%m-%d}"
        if days >= DRAFTS:
            paths = (draft.directory, root / drafts.SNAPSHOTS / draft.slug)
            yield Action("remove", f"draft {draft.slug}", f"{made}, expired {draft.expires:%Y-%m-%d}", paths)
        elif days >= NOTICE:
            advice = f"expires {draft.expires:%Y-%m-%d}: wctl promote {draft.slug}, or wctl drafts export {draft.slug}"
            yield Action("notice", f"draft {draft.slug}", f"{made}, {advice}")


def _replaced(data_root: Path, now: float) -> Iterator[Action]:
    """Older drafts of a name, and snapshots whose draft is gone."""
    root = data_root / "profiles" / "_drafts"
    waiting = {draft.slug for draft in drafts.list_drafts(data_root)}
    for kind, what in ((".previous", "replaced draft"), (drafts.SNAPSHOTS, "snapshot")):
        for slug in _folders(root / kind):
            for capture in _folders(slug):
                if (kind == ".previous" or slug.name not in waiting) and _age(capture, now) >= DRAFTS:
                    yield Action("remove", f"{what} {slug.name}/{capture.name}", _left(capture, now), (capture,))


def _results(folder: Path, now: float, keep: Retention) -> Iterator[Action]:
    """The old results of one profile; a folder without a report may be one that is being written."""
    runs = sorted((p for p in _folders(folder) if _RESULT.fullmatch(p.name)), reverse=True)
    whole = [p for p in runs if (p / "report.json").is_file()]
    for path in whole[keep.runs :]:
        if _age(path, now) >= keep.days:
            why = f"beyond the last {keep.runs} and {keep.days} days"
            yield Action("remove", f"result {folder.name}/{path.name}", why, (path,))
    for path in runs:
        if path not in whole and _age(path, now) >= HALF_MADE:
            yield Action("remove", f"result {folder.name}/{path.name}", "it holds no report", (path,))


def _workspaces(data_root: Path, run_root: Path, now: float, keep: Retention) -> Iterator[Action]:
    for path in _folders(run_root):
        if is_claimed(data_root, path):
            continue
        if _WORKSPACE.fullmatch(path.name) and _age(path, now) >= keep.days:
            yield Action("remove", f"workspace {path.name}", _left(path, now), (path,))
        elif _HALF_MADE.fullmatch(path.name) and _age(path, now) >= HALF_MADE:
            yield Action("remove", f"leftover {path.name}", _left(path, now), (path,))
    rubbish = tuple(sorted((run_root / TRASH).iterdir())) if (run_root / TRASH).is_dir() else ()
    if rubbish and not (run_root / TRASH).is_symlink():
        count = "one discarded workspace" if len(rubbish) == 1 else f"{len(rubbish)} discarded workspaces"
        yield Action("remove", "trash", count, rubbish)


def _folders(parent: Path) -> list[Path]:
    """The real folders in a real folder, sorted."""
    if parent.is_symlink() or not parent.is_dir():
        return []
    return sorted(path for path in parent.iterdir() if path.is_dir() and not path.is_symlink())


def _age(path: Path, now: float) -> float:
    """Days since something changed in a folder or right below it.

    By the inode's change time: a clone has the modification times of its seed, which may be years old.
    """
    newest = path.lstat().st_ctime
    for inner in path.iterdir():
        with contextlib.suppress(FileNotFoundError):
            newest = max(newest, inner.lstat().st_ctime)
    return (now - newest) / DAY


def _left(path: Path, now: float) -> str:
    return f"last changed {datetime.fromtimestamp(now - _age(path, now) * DAY, UTC):%Y-%m-%d}"


@contextlib.contextmanager
def _alone(data_root: Path) -> Iterator[None]:
    """Hold the lock of a data root, which the kernel lets go when this program ends, however it ends."""
    path = data_root / RESULTS / ".housekeeping.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"Another housekeeping works on {data_root}; let it finish.") from None
        yield
