"""A profile as it is replayed in another environment: one of its overlays laid over it."""

from __future__ import annotations

import difflib

from assembler.profile import Profile
from playback.errors import BadProfile

__all__ = ["overlaid"]


def overlaid(profile: Profile, name: str | None) -> Profile:
    """`profile` with the seed, the baseline and the rules of its overlay `name`; as it is without a name.

    Raises BadProfile, naming the nearest overlay, when it has none of that name.
    """
    if name is None:
        return profile
    overlay = profile.overlays.get(name)
    if overlay is None:
        near = difflib.get_close_matches(name, profile.overlays, 1)
        there = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(profile.overlays) or 'none'}."
        raise BadProfile(f"{profile.metadata.slug} has no overlay {name!r}; {there}")
    metadata = profile.metadata.model_copy(
        update={k: v for k, v in (("seed_dir", overlay.seed_dir), ("baseline_dir", overlay.baseline_dir)) if v}
    )
    return profile.model_copy(update={"metadata": metadata, "ignore": [*profile.ignore, *overlay.ignore]})
