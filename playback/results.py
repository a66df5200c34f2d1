"""Where verdicts are kept: `profiles/results/<slug>/<timestamp>/` with `report.json`, `report.html`, `junit.xml` and, unless
all went well, `diagnostics/`; `profiles/results/latest.json` is the newest report of all. Documents are replaced atomically.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from assembler.profile import slug_problem
from assembler.storage import write_text
from playback import bundle
from playback.evidence import Evidence
from playback.html_report import page
from playback.jsontext import dumps
from playback.junit import junit
from playback.report import ComparisonOutcome, JobOutcome, Masked, Mismatch, Report, StepOutcome

__all__ = ["find", "history", "last", "parse", "recent", "short_id", "write", "write_again"]

RESULTS = Path("profiles/results")
PAGE = "report.html"


def write(report: Report, data_root: Path, evidence: Evidence | None = None) -> Path:
    """Keep the report and return its directory; `report.page`, and `report.diagnostics` when there are any, are set.

    `evidence` is what explains the verdict. Raises OSError.
    """
    if problem := slug_problem(report.profile):
        raise ValueError(problem)
    evidence = evidence or Evidence()
    folder = _new_folder(data_root / RESULTS / report.profile, report.started_at)
    report.page = str(folder / PAGE)
    if report.result != "passed":
        report.diagnostics = str(folder / "diagnostics")
        bundle.write(folder / "diagnostics", report, evidence)
    write_text(data_root / RESULTS / "latest.json", _documents(folder, report, evidence))
    return folder


def write_again(report: Report, folder: Path, data_root: Path, evidence: Evidence | None = None) -> None:
    """Keep what is now to be said in a report that `write` kept in `folder`. Raises OSError."""
    document = _documents(folder, report, evidence or Evidence())
    latest = data_root / RESULTS / "latest.json"
    with contextlib.suppress(OSError, ValueError):
        if json.loads(latest.read_bytes())["run_id"] == report.run_id:  # another may have ended meanwhile
            write_text(latest, document)


def _documents(folder: Path, report: Report, evidence: Evidence) -> str:
    """Write the report in its three forms; returns the JSON."""
    write_text(folder / PAGE, page(report, evidence))
    write_text(folder / "junit.xml", junit([report]))
    document = dumps(report.as_json(), indent=2) + "\n"
    write_text(folder / "report.json", document)
    return document


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
