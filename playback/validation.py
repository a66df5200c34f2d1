"""Is a profile fit for a replay, as far as its own files tell? Nothing is sent and nothing is cloned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from assembler.document import load_profile
from assembler.profile import Comparison, Profile, Step
from playback import comparators

__all__ = ["named_files", "problems"]

MAPPED = "mapped"  # compared by the engine itself, with ids and times mapped


def problems(path: Path) -> tuple[Profile, list[str]]:
    """The profile in `path` (a `profile.yaml`) and a sentence for everything that is wrong with it.

    Raises BadDocument when it cannot be read at all.
    """
    profile = load_profile(path)
    found: list[str] = []
    if path.parent.name != profile.metadata.slug:
        found.append(f"metadata.slug is {profile.metadata.slug!r}, but the directory is called {path.parent.name!r}.")
    for step in [*profile.prologue, *profile.steps]:
        found += [
            f"Step {step.id} needs {name}, {why}." for name in named_files(step) if (why := _unfit(path.parent, name))
        ]
    found += [sentence for comparison in profile.comparisons for sentence in _comparison(comparison)]
    if (
        profile.metadata.run == "clone"
        and profile.metadata.seed_dir is None
        and not (path.parent / "seed/run").is_dir()
    ):
        found.append("metadata.run is clone, and there is no seed/run to clone.")
    return profile, found


def named_files(step: Step) -> Iterator[str]:
    """The files below the profile that a step sends or expects."""
    yield from (part.file for part in step.multipart or [] if part.file is not None)
    if step.body is not None:
        yield step.body
    if step.expect is not None and step.expect.body is not None:
        yield step.expect.body


def _comparison(comparison: Comparison) -> Iterator[str]:
    if _leaves(comparison.target):
        yield f"The comparison of {comparison.target!r} would leave the run directory."
    if comparison.method != MAPPED:
        try:
            comparators.validate_params(comparison.method, comparison.params)
        except ValueError as error:
            yield f"The comparison of {comparison.target}: {error}"


def _unfit(folder: Path, name: str) -> str | None:
    if _leaves(name):
        return "which lies outside the profile"
    return None if (folder / name).is_file() else "which does not exist"


def _leaves(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts
