"""What a run left on the disk: the files that seed a replay, and the files its outcome is compared with.

The method of a comparison follows from a file's kind; a text that holds clocks, ids or tokens is compared with
mapped values, as answers are (`mapped`), everything else exactly.
"""

from __future__ import annotations

import filecmp
import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from assembler.shapes import pieces, timed_name

__all__ = ["Baseline", "Output", "config_files", "default_method", "outputs"]

_SKIPPED_FOLDERS = {"_logs", "__pycache__", ".git"}
_SKIPPED_SUFFIXES = {
    ".log",
    ".lock",
    ".pid",
    ".tmp",
    ".swp",
    ".pyc",
    ".sqlite-wal",
    ".sqlite-shm",
    ".db-wal",
    ".db-shm",
}
_METHODS = {
    ".tif": "raster_stats", ".tiff": "raster_stats", ".csv": "tabular_diff", ".tsv": "tabular_diff", ".json": "json_exact",
    ".geojson": "json_exact", ".sqlite": "sqlite_diff", ".sqlite3": "sqlite_diff", ".db": "sqlite_diff",
    ".zip": "archive_diff", ".tar": "archive_diff", ".tgz": "archive_diff", ".whl": "archive_diff", ".npz": "archive_diff",
}  # fmt: skip
_TEXT = {".txt", ".cfg", ".toml", ".ini", ".yaml", ".yml", ".html", ".xml", ".md", ".prj", ".asc", ".wkt", ".svg"}
_DATED = {".xlsx", ".docx", ".pptx", ".ods", ".odt", ".pdf", ".gz"}
"""Files that write down when they were made."""
_LOOKED_AT = 1 << 20
_LARGEST_JSON = 64 << 20
_EPOCH = re.compile(r"(?:1[5-9]|2[01])\d{8}(?:\.\d+|\d{3}|\d{6})?")
"""Seconds, milliseconds or microseconds since 1970, of the years 2017 to 2039."""


@dataclass(frozen=True)
class Output:
    """A file the run produced, and how it is to be compared. `path` is relative to the run directory."""

    path: str
    source: Path
    method: str
    evidence: str


@dataclass
class Baseline:
    """Seed files (relative name → file), outputs, and whether the run can be cloned from its seed.

    `created` names files that were written before the first request to the run, and not since: no replay writes them.
    """

    seed: dict[str, Path] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    created: list[str] = field(default_factory=list)

    @property
    def seeded(self) -> bool:
        """True when the run's configuration was captured, so that a replay can begin from a clone."""
        return bool(self.seed)


def config_files(run_dir: Path) -> list[Path]:
    """The active `<config>.cfg` and `_defaults.toml` of a run directory."""
    found = [p for p in sorted(run_dir.glob("*.cfg")) if p.is_file() and not p.is_symlink()]
    defaults = run_dir / "_defaults.toml"
    if found and defaults.is_file() and not defaults.is_symlink():
        found.append(defaults)
    return found


def run_files(run_dir: Path) -> Iterator[tuple[str, Path]]:
    """Every regular file of a run, by relative path, sorted; logs, locks, hidden folders and names that are no text left out."""
    for path in sorted(run_dir.rglob("*")):
        relative = path.relative_to(run_dir)
        if any(part in _SKIPPED_FOLDERS or part.startswith(".") for part in relative.parts):
            continue
        if not path.is_file() or path.is_symlink() or path.suffix.lower() in _SKIPPED_SUFFIXES:
            continue
        if _nameable(relative):
            yield relative.as_posix(), path


def _nameable(path: Path) -> bool:
    """Whether a name is UTF-8, as all that a profile names must be."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def outputs(run_dir: Path, seed: Mapping[str, Path]) -> list[Output]:
    """The files of a finished run that a replay must produce again; what the seed already holds unchanged is left out."""
    found = []
    for relative, path in run_files(run_dir):
        if relative in seed and filecmp.cmp(seed[relative], path, shallow=False):
            continue
        method, evidence = default_method(path)
        found.append(Output(relative, path, method, evidence))
    return found


def default_method(path: Path) -> tuple[str, str]:
    """The comparison that fits a file's kind, and why."""
    suffix = ".tgz" if path.name.endswith(".tar.gz") else path.suffix.lower()
    if (method := _METHODS.get(suffix)) and method not in ("json_exact", "tabular_diff"):
        return method, f"by its ending {suffix}"
    if suffix in _DATED:
        return "mapped", f"by its ending {suffix}, part by part"
    text = _text(path)
    if text is None:
        return "exact_hash", "binary, byte for byte"
    if suffix == ".json" or (not suffix and text.lstrip()[:1] in ("{", "[")):
        if path.stat().st_size > _LARGEST_JSON:
            return "json_exact", f"by its ending {suffix}; too large to look for clocks and ids"
        try:
            document = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            return "exact_hash", "looks like JSON but is none"
        return (
            ("mapped", "JSON with clocks, ids or durations")
            if _varying_json(document)
            else ("json_exact", "JSON without varying values")
        )
    if _varies(text):
        return "mapped", "text with clocks, ids or tokens"
    if suffix in _METHODS:
        return _METHODS[suffix], f"by its ending {suffix}"
    return ("text_diff", "text") if suffix in _TEXT else ("exact_hash", "byte for byte")


def _text(path: Path) -> str | None:
    with path.open("rb") as file:
        head = file.read(_LOOKED_AT)
    if b"\0" in head:
        return None
    try:
        return head.decode("utf-8")
    except UnicodeDecodeError as error:
        return head[: error.start].decode("utf-8") if error.start > _LOOKED_AT - 4 else None


@functools.lru_cache(4096)
def _told_by(name: str) -> tuple[bool, bool]:
    """Whether a key says that its number was measured, and whether it is an id or a clock itself."""
    return timed_name(name), _varies(name)


def _varies(text: str) -> bool:
    return any(piece.kind in ("uuid", "clock", "secret", "opaque") for piece in pieces(text[:100_000]))


def _varying_json(document: object) -> bool:
    if isinstance(document, dict):
        for key, value in document.items():
            timed, varies = _told_by(key)
            if varies or (timed and _is_number(value)) or _varying_json(value):
                return True
        return False
    if isinstance(document, list):
        return any(map(_varying_json, document))
    if isinstance(document, str):
        return _varies(document)
    return _is_number(document) and _EPOCH.fullmatch(repr(document)) is not None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
