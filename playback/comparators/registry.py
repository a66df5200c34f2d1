"""Comparators by name, and the guard around them: no file and no comparator makes `compare` raise."""

from __future__ import annotations

import stat
import traceback
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from .comparison import Comparator, Comparison, Unreadable, excerpt
from .params import nearest, read_params

ENTRY_POINTS = "profile_test_engine.comparators"

# Each is the module of the same name beside this one, loaded on first use: rasterio alone takes a third of a second.
BUILT_IN = (
    "archive_diff",
    "exact_hash",
    "json_exact",
    "json_tolerance",
    "raster_stats",
    "sqlite_diff",
    "tabular_diff",
    "text_diff",
)

_BY_SUFFIX = {
    "archive_diff": (".zip", ".whl", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz"),
    "json_exact": (".json",),
    "raster_stats": (".tif", ".tiff"),
    "sqlite_diff": (".sqlite", ".sqlite3", ".db", ".gpkg"),
    "tabular_diff": (".csv", ".tsv"),
    "text_diff": (".txt", ".log", ".cfg", ".toml", ".yaml", ".yml", ".html", ".xml", ".md"),
}


def methods() -> list[str]:
    """The names of all comparators, built in and installed, in alphabetical order."""
    return sorted({*BUILT_IN, *(entry.name for entry in entry_points(group=ENTRY_POINTS))})


def load() -> None:
    """Load every method now; otherwise each is loaded when it is first used."""
    for method in methods():
        _comparator(method)


def validate_params(method: str, params: Mapping[str, object]) -> None:
    """Check `method` and `params` before any file exists, as when a profile is loaded.

    Raises ValueError with one sentence: an unknown method or key names the nearest valid one.
    """
    read_params(method, _comparator(method).params, params)


def compare(
    method: str,
    expected: Path,
    actual: Path,
    params: Mapping[str, object],
    artifacts: Path | None = None,
) -> Comparison:
    """Compare the file `actual` with its baseline `expected`; neither is written to.

    Pictures go into the folder `artifacts`, created when needed; without it none are drawn. Raises ValueError for an
    unknown method or unfit params, as `validate_params` does; whatever is wrong with the files is a failed comparison.
    """
    comparator = _comparator(method)
    checked = read_params(method, comparator.params, params)
    try:
        sizes = {path: _size(path) for path in (expected, actual)}
        for path, size in sizes.items():
            if not size and (any(sizes.values()) or not comparator.accepts_empty):
                raise Unreadable(path, "is empty")
        outcome: object = comparator.judge(expected, actual, checked, artifacts)
        if not isinstance(outcome, Comparison):  # one of others may return anything
            raise TypeError(f"it returned {type(outcome).__name__} instead of a Comparison")
        return outcome
    except Unreadable as fault:
        role = "expected" if fault.path == expected else "actual"
        return Comparison("failed", f"The {role} file {excerpt(fault.path.name)} {fault.why}.")
    except Exception as fault:  # a comparator's own fault must be seen, must not end the run, and must not pass
        words = excerpt(f"{type(fault).__name__}: {fault}", 200)
        lines = "".join(traceback.format_exception(fault)).splitlines()
        return Comparison("failed", f"{method} broke on {excerpt(actual.name)}: {words}.", lines)


def default_method(path: Path) -> str:
    """The method that suits the file at `path`, by its suffix and content; `exact_hash` where none does.

    A file that its suffix belies (an empty CSV, a `.db` that is no SQLite) would fail against itself, so it is tried.
    """
    name = path.name.lower()
    for method, suffixes in _BY_SUFFIX.items():
        if name.endswith(suffixes) and compare(method, path, path, {}).result == "passed":
            return method
    return "exact_hash"


def _comparator(method: str) -> Comparator[Any]:
    if method in BUILT_IN:
        comparator = import_module(f".{method}", __package__).COMPARATOR
    else:
        found = tuple(entry_points(group=ENTRY_POINTS, name=method))
        if not found:
            raise ValueError(f"There is no comparator {method!r}; {nearest(method, methods())}.")
        try:
            comparator = found[0].load()
        except Exception as fault:
            raise ValueError(f"Comparator {method!r} ({found[0].value}) cannot be loaded: {fault}") from fault
    if not isinstance(comparator, Comparator):
        raise ValueError(f"{method!r} is a {type(comparator).__name__}, not a playback.comparators.Comparator.")
    return comparator


def _size(path: Path) -> int:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for a writer for ever
            raise Unreadable(path, "is not a regular file")
        path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError):
        raise Unreadable(path, "is missing") from None
    except OSError as fault:
        raise Unreadable(path, f"cannot be opened: {fault.strerror}") from fault
    return status.st_size
