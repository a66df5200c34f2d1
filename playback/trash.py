"""Get rid of workspaces without slowing down the next one.

Deleting a tree right after a replay makes the next clone 5 to 6 times slower on ext4 (both wait for the same journal),
so a workspace is renamed into `.trash/` beside it, which takes no time, and deleted a while later or at exit.
Whatever lies in `.trash/` is rubbish, also what a killed process left there.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
import threading
from pathlib import Path

from recorder.events import ulid

__all__ = ["delete", "discard", "empty_trash"]

TRASH = ".trash"
LATER = 60.0  # seconds from the first discarded workspace to the deletion of all that came meanwhile

_log = logging.getLogger("playback")
_lock = threading.Lock()
_waiting: set[Path] = set()


def discard(path: Path) -> None:
    """Take the tree `path` away at once; its deletion comes later. Nothing happens when it is not there."""
    trash = path.parent / TRASH
    if not path.is_symlink() and not path.exists():
        return
    trash.mkdir(exist_ok=True)
    path.rename(trash / ulid())
    with _lock:
        first = not _waiting
        _waiting.add(trash)
    if first:
        later = threading.Timer(LATER, _sweep)
        later.daemon = True
        later.start()


def empty_trash(root: Path) -> list[Path]:
    """Delete what was discarded below `root` now; return what could not be deleted."""
    trash = root / TRASH
    with contextlib.suppress(FileNotFoundError):
        found = sorted(trash.iterdir())
        for rubbish in found:
            delete(rubbish)
        return [rubbish for rubbish in found if os.path.lexists(rubbish)]  # what came meanwhile has its own time
    return []


@atexit.register
def _sweep() -> None:
    with _lock:
        trashes = list(_waiting)
        _waiting.clear()
    for trash in trashes:
        if left := empty_trash(trash.parent):
            _log.warning("%d discarded workspaces below %s could not be deleted", len(left), trash)


def delete(path: Path) -> None:
    """Delete `path` now, with all below it, as far as that is allowed. Links are removed, never followed."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    shutil.rmtree(path, ignore_errors=True)
    if not path.exists():
        return
    # A directory without write permission keeps what is in it: give it back to its owner, and once more.
    with contextlib.suppress(OSError):
        path.chmod(0o700)
    for folder, inner, _ in os.walk(path):
        for name in inner:
            child = Path(folder, name)
            if not child.is_symlink():
                with contextlib.suppress(OSError):
                    child.chmod(0o700)
    shutil.rmtree(path, ignore_errors=True)
