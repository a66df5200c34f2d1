"""Take a profile out of use and keep it, with the reason: `profiles/archived/<slug>/<date>/`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from assembler.document import BadDocument, load_profile
from assembler.storage import write_text
from playback import catalogue, results
from playback.errors import PlaybackError

__all__ = ["NoReason", "archive"]

ARCHIVED = Path("profiles/archived")
RATIONALE = "RATIONALE.md"


class NoReason(PlaybackError):
    """A profile is not archived without a reason."""


def archive(slug: str, data_root: Path, why: str, today: date) -> Path:
    """Move the profile `slug` to the archive and return its folder there, which has a RATIONALE.md.

    A second one on the same day gets a number. Raises NoReason, UnknownProfile, OSError; then the profile stands.
    """
    if not why.strip():
        raise NoReason('Why is it archived? Say it in --why "…": whoever misses the profile will read that.')
    folder = catalogue.find(slug, data_root).parent
    target = _free(data_root / ARCHIVED / slug / today.isoformat())
    target.parent.mkdir(parents=True, exist_ok=True)
    rationale = folder / RATIONALE
    write_text(rationale, "\n".join(_rationale(slug, folder, data_root, why, today)) + "\n")
    try:
        folder.rename(target)
    except OSError:
        rationale.unlink(missing_ok=True)
        raise
    return target


def _rationale(slug: str, folder: Path, data_root: Path, why: str, today: date) -> Iterator[str]:
    yield f"# {slug}, archived {today.isoformat()}"
    yield ""
    yield why.strip()
    yield ""
    try:
        profile = load_profile(folder / "profile.yaml")
    except BadDocument as error:
        yield f"It could not be read any more: {error}"
    else:
        recorded = profile.metadata.recorded_with
        yield f"- {len(profile.steps)} steps, {len(profile.comparisons)} files compared"
        if recorded.started:
            yield f"- recorded {recorded.started}"
    if last := results.last(data_root, slug):
        yield f"- last replay {last.get('started_at')}: {last.get('result')}"


def _free(target: Path) -> Path:
    number = 2
    free = target
    while free.exists():
        free, number = target.with_name(f"{target.name}-{number}"), number + 1
    return free
