"""Has Git LFS brought what the repository only points to? A pointer is neither a seed nor a baseline."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from assembler.lfs import NOT_FETCHED, is_pointer
from assembler.profile import Profile
from playback.baselines import baseline_file

__all__ = ["unfetched"]


def unfetched(profile: Profile, seed: Path, baseline: Path) -> Iterator[str]:
    """A sentence for each file that a replay clones or compares with and that is still a pointer."""
    inside = seed / "run"
    for folder, _, names in os.walk(inside if inside.is_dir() else seed):
        for path in (Path(folder, name) for name in sorted(names)):
            if path.is_file() and not path.is_symlink() and is_pointer(path):
                yield f"{path} {NOT_FETCHED}."
    for comparison in profile.comparisons:
        expected = baseline_file(baseline, comparison.target)
        if expected is not None and is_pointer(expected):
            yield f"{expected} {NOT_FETCHED}."
