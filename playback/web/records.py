"""Profiles and reports as the pages read them: looked at again only where their files have changed.

A report can have thousands of steps, and a list shows none of them: what stands before the steps is all that is read.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from assembler.document import BadDocument, load_profile
from assembler.profile import Profile, slug_problem
from playback import catalogue, results
from playback.errors import UnknownProfile
from playback.report import Report

__all__ = ["Records", "Summary"]

_HEAD = 256 << 10  # bytes of a report in which everything before its steps is looked for
_STEPS = b'\n  "steps": ['
T = TypeVar("T")


@dataclass(frozen=True)
class Summary:
    """A kept report without its steps. Values are those of the file: of their types nothing is sure."""

    folder: Path
    run_id: str
    profile: str
    result: str
    started_at: str
    duration_s: float | None
    failing_step: str | None
    error: str | None
    base_url: str | None
    masked: int
    compared: int

    @property
    def share(self) -> float:
        return self.masked / self.compared if self.compared else 0.0


class _Cache(Generic[T]):
    """What was made of files, by path; made again when time or size of the file is another."""

    def __init__(self, limit: int, make: Callable[[Path], T]) -> None:
        self._limit, self._make = limit, make
        self._lock = threading.Lock()
        self._kept: OrderedDict[Path, tuple[tuple[int, int], T]] = OrderedDict()

    def get(self, path: Path) -> T | None:
        """What `make` makes of the file, or None when it is not there or cannot be read."""
        try:
            seen = path.stat()
        except OSError:
            return None
        mark = (seen.st_mtime_ns, seen.st_size)
        with self._lock:
            if (kept := self._kept.get(path)) and kept[0] == mark:
                self._kept.move_to_end(path)
                return kept[1]
        try:
            made = self._make(path)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        with self._lock:
            self._kept[path] = (mark, made)
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)
        return made


class Records:
    """The profiles and reports below a data root."""

    def __init__(self, data_root: Path) -> None:
        self.data_root = data_root
        self._profiles = _Cache(500, _profile)
        self._summaries = _Cache(20_000, _summary)
        self._reports = _Cache(8, _report)

    def profile(self, slug: str) -> Profile | str:
        """The promoted profile, or the sentence that says why it cannot be read. Raises UnknownProfile."""
        path = self.data_root / catalogue.PROFILES / slug / "profile.yaml"
        if slug_problem(slug) is None and slug not in catalogue.APART and (found := self._profiles.get(path)):
            return found  # not looked for among all the others, which a list of them would do for each
        path = catalogue.find(slug, self.data_root)
        return self._profiles.get(path) or f"{path} cannot be read."

    def warm(self) -> None:
        """Read all profiles, so that nobody has to wait for it later."""
        for slug in catalogue.slugs(self.data_root):
            with contextlib.suppress(UnknownProfile):  # taken away meanwhile
                self.profile(slug)

    def history(self, slug: str) -> list[Summary]:
        """The profile's kept reports, newest first."""
        found = (self._summaries.get(folder / "report.json") for folder in results.history(self.data_root, slug))
        return [summary for summary in found if summary]

    def recent(self, limit: int) -> list[Summary]:
        """The newest kept reports of all profiles."""
        paths = (self.data_root / results.RESULTS).glob("*/*/report.json")
        newest = sorted(paths, key=lambda path: path.parent.name, reverse=True)[:limit]
        return [summary for path in newest if (summary := self._summaries.get(path))]

    def find(self, run_id: str) -> Summary | None:
        """The kept report of the run with this id."""
        wanted = results.short_id(run_id)
        paths = sorted((self.data_root / results.RESULTS).glob("*/*/report.json"), reverse=True)
        found = (self._summaries.get(path) for path in paths)
        return next((summary for summary in found if summary and summary.run_id == wanted), None)

    def report(self, summary: Summary) -> Report | None:
        """All of a kept report."""
        return self._reports.get(summary.folder / "report.json")


def _profile(path: Path) -> Profile | str:
    try:
        return load_profile(path)
    except BadDocument as error:
        return str(error)


def _report(path: Path) -> Report:
    return results.parse(json.loads(path.read_bytes()))


def _summary(path: Path) -> Summary:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    before, steps, _ = head.partition(_STEPS)
    try:
        document = json.loads(before.rstrip().rstrip(b",") + b"}") if steps else json.loads(path.read_bytes())
    except ValueError:
        document = json.loads(path.read_bytes())
    masked = document.get("masked") or {}
    took = document.get("duration_s")
    return Summary(
        path.parent, results.short_id(document.get("run_id")), str(document.get("profile")), str(document.get("result")),
        str(document.get("started_at")), took if isinstance(took, (int, float)) else None,
        _text(document.get("failing_step")), _text(document.get("error")), _text(document.get("base_url")),
        _whole(masked.get("masked")), _whole(masked.get("compared")),
    )  # fmt: skip


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0
