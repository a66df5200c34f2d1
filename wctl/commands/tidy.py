"""Taking things away: profiles that are no longer wanted, and what replays and recordings leave behind."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

import playback.archive
import playback.housekeeping
from playback import log_retention
from playback.envfile import environment
from playback.housekeeping import Action, AlreadyRunning
from wctl.console import answer, say
from wctl.interrupt import interruptible
from wctl.options import DataRoot, EnvFile, Slug

__all__ = ["archive", "housekeeping"]


def archive(
    slug: Slug,
    why: Annotated[str, typer.Option("--why", metavar="REASON", help="Kept beside the profile, in RATIONALE.md.")] = "",
    data_root: DataRoot = Path(),
) -> int:
    """Take a profile out of use: it moves to profiles/archived/, with the reason."""
    answer(str(playback.archive.archive(slug, data_root.absolute(), why, datetime.now(UTC).date())))
    say(f"{slug} is no longer replayed. To have it back, move the folder to profiles/{slug} by hand.")
    return 0


def housekeeping(
    loop: Annotated[bool, typer.Option("--loop", help="Again and again, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="The pause of --loop.")] = 3600,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
    env_file: EnvFile = None,
    data_root: DataRoot = Path(),
) -> int:
    """Remove expired drafts, old results and the workspaces of old replays; never a promoted profile. Compress old logs.

    Drafts expire 30 days after they were made, with a notice from the 23rd day on. Results and workspaces go after 7 days
    (PROFILE_PLAYBACK_KEEP_DAYS); the last 20 results of each profile stay (PROFILE_PLAYBACK_KEEP_RUNS), and what is replayed.
    Audit logs of RECORDER_ROOT (else .recorder in the data root) that nobody wrote for 7 days are compressed
    (RECORDER_COMPRESS_DAYS) and, where RECORDER_EXPIRE_DAYS is set, removed after so many days, with the bodies that no record
    names any more. Whoever reads or writes them is not disturbed, and what an open capture needs stays.
    """
    root, environ = data_root.absolute(), environment(data_root, env_file)
    keep, recorder_root = log_retention.retention(environ), log_retention.root_of(root, environ)

    def tell(action: Action) -> None:
        answer(action.line(dry_run=dry_run))

    def once() -> None:
        gone = playback.housekeeping.housekeeping(root, environ, time.time(), dry_run=dry_run, tell=tell)
        logs = 0
        if recorder_root is not None:
            logs = log_retention.keep_logs(recorder_root, keep, time.time(), dry_run=dry_run, tell=answer)
        if gone or not logs:
            say(f"{gone} things {'would go' if dry_run else 'are gone'}." if gone else "Nothing is due.")
        if logs:
            say(f"{logs} things {'are due' if dry_run else 'were done'} in the logs of {recorder_root}.")

    if not loop:
        once()
        return 0
    with interruptible() as stop:
        while not stop.is_set():
            try:
                once()
            except AlreadyRunning as error:
                say(str(error))
            stop.wait(every)
    return 0
