"""Where verdicts are kept: `profiles/results/<slug>/<timestamp>/` with `report.json`, `junit.xml` and, unless all went
well, `diagnostics/`; `profiles/results/latest.json` is the newest report of all. Documents are replaced atomically.
"""

from __future__ import annotations

import json
import os
import platform
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from assembler.profile import slug_problem
from assembler.storage import write_text
from playback.jsontext import dumps
from playback.junit import junit
from playback.report import ComparisonOutcome, JobOutcome, Masked, Mismatch, Report, StepOutcome
from playback.summary import render

__all__ = ["find", "history", "last", "parse", "recent", "short_id", "write"]

RESULTS = Path("profiles/results")
LOG_LIMIT = 4 << 20  # bytes kept of one log, from its end
LOG_COUNT = 50
PACKAGES = ("profile-test-engine", "fastapi", "httpx", "numpy", "pydantic", "rasterio", "redis", "rq", "selectolax")


def write(report: Report, data_root: Path, attachments: Mapping[str, bytes | str | Path] | None = None) -> Path:
    """Keep the report and return its directory; `report.diagnostics` is set when there are any.

    `attachments` are files for the diagnostics, by name: content, or a path to copy from. Also there: the logs that
    the run wrote below `report.run_dir`, and the versions of what took part. Raises OSError.
    """
    if problem := slug_problem(report.profile):
        raise ValueError(problem)
    folder = _new_folder(data_root / RESULTS / report.profile, report.started_at)
    if report.result != "passed" or attachments:
        diagnostics = folder / "diagnostics"
        diagnostics.mkdir()
        _attach(diagnostics, attachments or {})
        if report.run_dir:
            _copy_logs(Path(report.run_dir), diagnostics / "logs", _seconds(report.started_at))
        write_text(diagnostics / "versions.json", _json(_versions()))
        report.diagnostics = str(diagnostics)
        write_text(diagnostics / "report.json", _json(report.as_json()))
        write_text(diagnostics / "summary.txt", render(report) + "\n")
    write_text(folder / "junit.xml", junit([report]))
    document = _json(report.as_json())
    write_text(folder / "report.json", document)
    write_text(data_root / RESULTS / "latest.json", document)
    return folder


def history(data_root: Path, slug: str) -> list[Path]:
    """The directories of the profile's kept reports, newest first."""
    if slug_problem(slug):
        return []
    return sorted((path.parent for path in (data_root / RESULTS / slug).glob("*/report.json")), reverse=True)


def recent(data_root: Path, limit: int) -> list[dict[str, Any]]:
    """The newest kept reports of all profiles, as plain values."""
    folders = (path.parent for path in (data_root / RESULTS).glob("*/*/report.json"))
    newest = sorted(folders, key=lambda folder: folder.name, reverse=True)[:limit]
    return [document for folder in newest if (document := _read(folder))]


def find(data_root: Path, run_id: str) -> tuple[Path, dict[str, Any]] | None:
    """Directory and report of the run with this id, or None. `profile;;tmp;;` before the id does not matter."""
    for path in sorted((data_root / RESULTS).glob("*/*/report.json"), key=lambda path: path.parent.name, reverse=True):
        document = _read(path.parent)
        if short_id(document.get("run_id")) == short_id(run_id):
            return path.parent, document
    return None


def short_id(run_id: object) -> str:
    """A run's id without the `profile;;tmp;;` before it: what stands in addresses."""
    return str(run_id).rpartition(";")[2]


def last(data_root: Path, slug: str) -> dict[str, Any] | None:
    """The profile's newest report as plain values, or None."""
    return next((document for folder in history(data_root, slug) if (document := _read(folder))), None)


def _read(folder: Path) -> dict[str, Any]:
    try:
        document = json.loads((folder / "report.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def parse(document: Mapping[str, Any]) -> Report:
    """The report that `Report.as_json` made, back again; keys of later versions are left out. Raises TypeError."""
    report = Report(**_known(Report, document))
    report.masked = Masked(**_known(Masked, document.get("masked") or {}))
    report.steps = [_step(step) for step in document.get("steps") or []]
    report.comparisons = [
        ComparisonOutcome(**_known(ComparisonOutcome, file)) for file in document.get("comparisons") or []
    ]
    return report


def _new_folder(parent: Path, started_at: str) -> Path:
    """A directory of this run's own: its start in UTC, and a number behind it should another run have the same."""
    name = re.sub(r"[-:]", "", started_at.removesuffix("+00:00").removesuffix("Z")) + "Z"
    if not re.fullmatch(r"[0-9T.]+Z", name):
        raise ValueError(f"started_at is {started_at!r}, not an ISO-8601 time in UTC")
    parent.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1000):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{parent} holds a thousand runs that began at {started_at}")


def _attach(folder: Path, attachments: Mapping[str, bytes | str | Path]) -> None:
    for name, content in attachments.items():
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts or not inside.parts:
            raise ValueError(f"{name!r} does not name a file below the diagnostics")
        if isinstance(content, Path):
            content = content.read_bytes()
        write_text(folder / inside, content)


def _copy_logs(workspace: Path, folder: Path, since: float) -> None:
    """Copy logs below `workspace` that were written after `since` (POSIX seconds); links are not followed."""
    for path in _logs(workspace, since):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            size = os.fstat(descriptor).st_size
            file.seek(max(0, size - LOG_LIMIT))
            content = file.read(LOG_LIMIT)
        write_text(folder / path.relative_to(workspace), content)


def _logs(workspace: Path, since: float) -> list[Path]:
    found = []
    for parent, folders, files in os.walk(workspace):
        folders.sort()
        if Path(parent) == workspace / "_logs":
            folders.clear()  # bodies and snapshots: not for reading
        for name in sorted(files):
            path = Path(parent, name)
            if name.endswith(".log") or path.parent == workspace / "_logs":
                seen = path.lstat()
                if stat.S_ISREG(seen.st_mode) and seen.st_mtime >= since:
                    found.append(path)
    return found[:LOG_COUNT]


def _seconds(started_at: str) -> float:
    return float(int(datetime.fromisoformat(started_at).timestamp()))


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "system": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _json(document: Mapping[str, Any]) -> str:
    return dumps(document, indent=2) + "\n"


def _known(kind: Any, document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: document[name] for name in kind.__dataclass_fields__ if name in document}


def _step(document: Mapping[str, Any]) -> StepOutcome:
    step = StepOutcome(**_known(StepOutcome, document))
    step.jobs = list(_jobs(document.get("jobs") or []))
    step.mismatches = [Mismatch(**_known(Mismatch, mismatch)) for mismatch in document.get("mismatches") or []]
    return step


def _jobs(documents: Iterable[Mapping[str, Any]]) -> Iterator[JobOutcome]:
    for document in documents:
        job = JobOutcome(**_known(JobOutcome, document))
        job.children = list(_jobs(document.get("children") or []))
        yield job
