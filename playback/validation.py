"""Is a profile fit for a replay, as far as its own files tell? Nothing is sent and nothing is cloned."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate
from pathlib import Path, PurePosixPath

from assembler.document import load_profile
from assembler.extractors import extract_problem, jmespath_problem
from assembler.lfs import NOT_FETCHED, is_pointer
from assembler.profile import Comparison, Profile, Step
from playback import comparators
from playback.baselines import baseline_of, seed_of
from playback.fetched import unfetched
from playback.references import broken_references

__all__ = ["named_files", "problems"]

LONGEST = 7 * 24 * 3600.0  # seconds; more is a slip, and too much for the operating system's timers
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
    for step in [*profile.prologue, *profile.steps]:
        found += [f"Step {step.id}: {sentence}" for sentence in _step(step)]
    found += broken_references(profile)
    found += [sentence for comparison in profile.comparisons for sentence in _comparison(comparison)]
    if (
        profile.metadata.run == "clone"
        and profile.metadata.seed_dir is None
        and not (path.parent / "seed/run").is_dir()
    ):
        found.append("metadata.run is clone, and there is no seed/run to clone.")
    found += unfetched(profile, seed_of(path.parent, profile.metadata), baseline_of(path.parent, profile.metadata))
    recorded = profile.metadata.recorded_with
    for key, moment in (("started", recorded.started), ("ended", recorded.ended)):
        if moment is not None and not _is_moment(moment):
            found.append(f"metadata.recorded_with.{key} is {moment[:80]!r}, not a time such as 2026-11-20T10:41:06Z.")
    return profile, found


def named_files(step: Step) -> Iterator[str]:
    """The files below the profile that a step sends or expects."""
    yield from (part.file for part in step.multipart or [] if part.file is not None)
    if step.body is not None:
        yield step.body
    if step.expect is not None and step.expect.body is not None:
        yield step.expect.body


def _step(step: Step) -> Iterator[str]:
    for name, extract in step.extract.items():
        if problem := extract_problem(extract):
            yield f"extract.{name}: {problem}."
    wait = step.wait
    if wait is not None:
        if wait.path is not None and _leaves(wait.path):
            yield f"wait.path {wait.path!r} would leave the run directory."
        for key, expression in (("field", wait.field), ("until.json", wait.until.json_ if wait.until else None)):
            if expression is not None and (problem := jmespath_problem(expression)):
                yield f"wait.{key}: {problem}."
    seconds = {"timeout": step.timeout, "settle": step.settle}
    if wait is not None:
        seconds |= {f"wait.{key}": getattr(wait, key) for key in ("timeout", "interval", "recorded")}
    for key, value in seconds.items():
        if value is not None and not 0 <= value <= LONGEST:
            yield f"{key} is {value:g}; it is in seconds, from 0 to {LONGEST:.0f}."


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return False
    return True


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
    # Its bytes are sent, or shown in reports: a link could lead to any file of this machine.
    if any((folder / part).is_symlink() for part in accumulate(PurePosixPath(name).parts, _joined)):
        return "which is, or lies behind, a symbolic link; put the file itself there"
    if not (folder / name).is_file():
        return "which does not exist"
    return f"which {NOT_FETCHED}" if is_pointer(folder / name) else None


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}"


def _leaves(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts
