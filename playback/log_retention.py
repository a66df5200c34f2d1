"""Old audit logs of a deployment, as `wctl housekeeping` looks after them: what is due, by the settings' days."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from playback.whole_numbers import whole_number
from recorder.retention import Chore, Retention, alone, chores
from recorder.seal import Seal
from recorder.verify import logs_below

__all__ = ["keep_logs", "retention", "root_of"]

VERBS = {"compress": "compressed", "remove": "removed", "notice": "notice:"}


def retention(environ: Mapping[str, str]) -> Retention:
    """As RECORDER_COMPRESS_DAYS and RECORDER_EXPIRE_DAYS say. Raises BadSetting."""
    return Retention(
        whole_number(environ, "RECORDER_COMPRESS_DAYS", Retention.compress),
        whole_number(environ, "RECORDER_EXPIRE_DAYS", Retention.expire),
    )


def root_of(data_root: Path, environ: Mapping[str, str]) -> Path | None:
    """The RECORDER_ROOT that is meant: the setting, else `.recorder` in the data root; None when it is not there."""
    root = Path(environ["RECORDER_ROOT"]) if environ.get("RECORDER_ROOT") else data_root / ".recorder"
    return root if (root / "logs.jsonl").is_file() else None


def keep_logs(
    root: Path, keep: Retention, now: float, *, dry_run: bool = False, tell: Callable[[str], None] = lambda line: None
) -> int:
    """Compress and remove what is due at `now` (seconds since 1970), telling each; return how many things were done.

    What cannot be done is told and left for the next time. Raises OSError when RECORDER_SEAL cannot be used.
    """
    done, seal = 0, Seal.of_environ()
    with alone(root) as ours:
        if not ours:
            tell(f"notice: {root}, another housekeeping works on its logs")
            return 0
        for log in logs_below(root):
            try:
                for chore in chores(log, keep, now, seal, root):
                    if not dry_run:
                        chore.act()
                    done += chore.kind != "notice"
                    tell(_line(chore, dry_run))
            except (OSError, ValueError) as error:
                tell(f"notice: {log}, it could not be looked after: {error}")
    return done


def _line(chore: Chore, dry_run: bool) -> str:
    verb = f"would {chore.kind}" if dry_run and chore.kind != "notice" else VERBS[chore.kind]
    return f"{verb} {chore.what}, {chore.why}"
