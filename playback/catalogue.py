"""The promoted profiles below a data root, by slug."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assembler.document import BadDocument, load_profile
from assembler.profile import Profile, slug_problem
from playback import results
from playback.errors import UnknownProfile

__all__ = ["Entry", "catalogue", "entry", "find", "slugs", "some"]

PROFILES = "profiles"
WHERE = "is --data-root (PROFILE_DATA_ROOT) right?"
APART = ("archived", "results", "_drafts")


@dataclass(frozen=True)
class Entry:
    """A promoted profile, or the sentence that says why it cannot be read."""

    slug: str
    profile: Profile | None
    problem: str | None
    last: dict[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        """What a list of profiles shows of it."""
        metadata = self.profile.metadata if self.profile else None
        report = self.last or {}
        return {
            "slug": self.slug,
            "title": metadata.title if metadata else None,
            "tags": metadata.tags if metadata else [],
            "steps": len(self.profile.steps) if self.profile else None,
            "problem": self.problem,
            "last": {name: report.get(name) for name in ("result", "started_at", "duration_s", "run_id")}
            if report
            else None,
        }


def slugs(data_root: Path) -> list[str]:
    """The slugs of all promoted profiles, sorted."""
    return sorted(
        path.parent.name
        for path in (data_root / PROFILES).glob("*/profile.yaml")
        if path.parent.name not in APART and slug_problem(path.parent.name) is None
    )


def some(data_root: Path) -> list[str]:
    """The slugs of all promoted profiles. Raises UnknownProfile when there is none: an empty suite is no success."""
    if known := slugs(data_root):
        return known
    raise UnknownProfile(f"There is no profile in {data_root / PROFILES}; {WHERE}")


def find(slug: str, data_root: Path) -> Path:
    """The `profile.yaml` of `slug`. Raises UnknownProfile, which names the nearest one there is."""
    if problem := slug_problem(slug):
        raise UnknownProfile(f"{problem}.")
    known = slugs(data_root)
    if slug not in known:
        near = difflib.get_close_matches(slug, known, 1, 0.4)
        hint = f"did you mean {near[0]!r}?" if near else _what_there_is(slug, known, data_root)
        raise UnknownProfile(f"There is no profile {slug!r} in {data_root / PROFILES}; {hint}")
    return data_root / PROFILES / slug / "profile.yaml"


def entry(slug: str, data_root: Path) -> Entry:
    """One profile of the catalogue. Raises UnknownProfile."""
    path = find(slug, data_root)
    last = results.last(data_root, slug)
    try:
        return Entry(slug, load_profile(path), None, last)
    except (BadDocument, OSError) as error:
        return Entry(slug, None, str(error), last)


def catalogue(data_root: Path) -> list[Entry]:
    """All promoted profiles, by slug; those that cannot be read too."""
    return [entry(slug, data_root) for slug in slugs(data_root)]


def _what_there_is(slug: str, known: list[str], data_root: Path) -> str:
    if (data_root / PROFILES / "_drafts" / slug).is_dir():
        return f"there is a draft of it: wctl promote {slug}"
    if (data_root / PROFILES / "archived" / slug).is_dir():
        return f"it was archived, RATIONALE.md in {data_root / PROFILES / 'archived' / slug} says why."
    if known:
        return f"there are: {', '.join(known[:10])}{' …' if len(known) > 10 else ''}"
    return f"there is none at all; {WHERE}"
