"""Drafts that wait for review: list, look at, hand over, throw away."""

from __future__ import annotations

import difflib
import shutil
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from assembler.profile import slug_problem

__all__ = ["Draft", "discard", "export", "folder_of", "json_object", "list_drafts", "show"]

EXPIRY = timedelta(days=30)
SNAPSHOTS = ".snapshots"
"""Folder beside the drafts: `<slug>/<capture_id>/`, what was copied from runs before the draft was made."""


@dataclass(frozen=True)
class Draft:
    """One draft, as its status tells it. `expires` is when housekeeping may remove it (UTC)."""

    slug: str
    state: str
    steps: int
    made: datetime
    problems: list[str]
    warnings: list[str]
    directory: Path

    @property
    def expires(self) -> datetime:
        return self.made + EXPIRY


def _root(data_root: Path) -> Path:
    return data_root / "profiles" / "_drafts"


def list_drafts(data_root: Path) -> list[Draft]:
    """Every draft below the data root, oldest first."""
    found = [_draft(p) for p in _root(data_root).glob("*") if p.is_dir() and not p.name.startswith(".")]
    return sorted(found, key=lambda d: d.made)


def show(slug: str, data_root: Path) -> dict[str, Any]:
    """Status and preview of a draft. Raises LookupError naming the nearest draft."""
    folder = folder_of(slug, data_root)
    document: dict[str, Any] = {"directory": str(folder)}
    for name in ("status", "preview"):
        if found := json_object(folder / f"{name}.json"):
            document[name] = found
    document["expires"] = _draft(folder).expires.isoformat(timespec="seconds")
    return document


def export(slug: str, data_root: Path, target: Path) -> Path:
    """Pack a draft into the zip file `target`, links left out. Raises LookupError, FileExistsError."""
    folder = folder_of(slug, data_root)
    if target.exists():
        raise FileExistsError(f"{target} exists; choose another name.")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
            for path in files:
                archive.write(path, f"{slug}/{path.relative_to(folder).as_posix()}")
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return target


def discard(slug: str, data_root: Path) -> Path:
    """Remove a draft. Raises LookupError."""
    folder = folder_of(slug, data_root)
    shutil.rmtree(folder)
    shutil.rmtree(_root(data_root) / SNAPSHOTS / slug, ignore_errors=True)
    return folder


def folder_of(slug: str, data_root: Path) -> Path:
    """The directory of a draft. Raises ValueError for a name no draft can have, LookupError naming the nearest one."""
    if problem := slug_problem(slug):
        raise ValueError(f"{problem}.")
    folder = _root(data_root) / slug
    if folder.is_dir():
        return folder
    names = [p.name for p in _root(data_root).glob("*") if p.is_dir() and not p.name.startswith(".")]
    near = difflib.get_close_matches(slug, names, 1)
    hint = (
        f"did you mean {near[0]!r}?"
        if near
        else f"there are: {', '.join(sorted(names))}."
        if names
        else "there are none."
    )
    raise LookupError(f"No draft is called {slug!r} below {_root(data_root)}; {hint}")


def json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none."""
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _draft(folder: Path) -> Draft:
    status = json_object(folder / "status.json")
    made = status.get("made")
    return Draft(
        folder.name, str(status.get("state", "assembling")), int(status.get("steps") or 0),
        datetime.fromtimestamp(made if isinstance(made, (int, float)) else folder.stat().st_mtime, UTC),
        list(status.get("problems") or []), list(status.get("warnings") or []), folder,
    )  # fmt: skip
