"""Where a profile's seed and baseline lie: beside the document, or where its metadata says below the data root."""

from __future__ import annotations

from pathlib import Path

from assembler.profile import Metadata

__all__ = ["baseline_file", "baseline_of", "seed_of"]


def baseline_of(folder: Path, metadata: Metadata) -> Path:
    """The baseline of the profile in `folder`, which is `<data root>/profiles/<slug>` or a draft below `_drafts`."""
    return _beside(folder, metadata.baseline_dir, "baseline", metadata.data_repo)


def seed_of(folder: Path, metadata: Metadata) -> Path:
    """The seed of the profile in `folder`, likewise."""
    return _beside(folder, metadata.seed_dir, "seed", metadata.data_repo)


def _beside(folder: Path, given: str | None, default: str, data_repo: str | None) -> Path:
    if given is None:
        return folder / default
    roots = [root for root in folder.parents if (root / "profiles").is_dir()][:1] or [folder.parent.parent]
    if data_repo:
        roots.append(roots[0] / data_repo)
    return next((root / given for root in roots if (root / given).is_dir()), roots[0] / given)


def baseline_file(baseline: Path, target: str) -> Path | None:
    """The expected file of a comparison, below `run/` or not; None when the baseline holds none."""
    return next((p for p in (baseline / "run" / target, baseline / target) if p.is_file()), None)
