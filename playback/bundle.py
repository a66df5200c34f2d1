"""The diagnostics of a replay that did not pass: a folder that explains it to somebody who was not there.

    summary.txt, report.json      what the terminal and the machines were told
    request.txt, curl.sh          what the failing step sent, as text and as a line for a shell
    request-body.bin              its body, when it fits no line
    answer.txt, expected.txt      what came back, and what should have
    difference.diff               the one against the other, recorded ids read as those of this replay
    before/                       the exchanges before it
    files/expected, files/actual  the files that differ
    pictures/                     of differences between rasters
    logs/                         what the run wrote meanwhile, the recorder's events among it
    versions.json                 of everything that took part

Nothing in it holds a secret, as far as names, shapes and this replay tell.
"""

from __future__ import annotations

import os
import platform
import re
import stat
from collections.abc import Iterator
from datetime import datetime
from importlib import metadata
from pathlib import Path, PurePosixPath

from assembler.storage import write_text
from playback.evidence import Evidence
from playback.jsontext import dumps
from playback.redact import Redaction
from playback.report import Report
from playback.summary import render

__all__ = ["write"]

LOG_LIMIT = 4 << 20  # bytes kept of one log, from its end
LOG_COUNT = 50
LOGS_LIMIT = 16 << 20  # bytes of all logs
FILE_LIMIT = 4 << 20  # bytes of a file that differs
FILE_COUNT = 20
PACKAGES = ("profile-test-engine", "fastapi", "httpx", "numpy", "pydantic", "rasterio", "redis", "rq", "selectolax")


def write(folder: Path, report: Report, evidence: Evidence) -> None:
    """Fill `folder`, which is made. Raises OSError."""
    folder.mkdir()
    _exchanges(folder, report, evidence)
    for name, picture in evidence.pictures.items():
        write_text(folder / _inside(name), picture.read_bytes())
    for file in evidence.files[:FILE_COUNT]:
        for side, path in (("expected", file.expected), ("actual", file.actual)):
            _file(path, folder / "files" / side / _inside(file.target), evidence.redaction)
    if report.run_dir:
        _logs(Path(report.run_dir), folder / "logs", _seconds(report.started_at), evidence.redaction)
    write_text(folder / "versions.json", dumps(_versions(evidence), indent=2) + "\n")
    write_text(folder / "report.json", dumps(report.as_json(), indent=2) + "\n")
    write_text(folder / "summary.txt", render(report) + "\n")


def _exchanges(folder: Path, report: Report, evidence: Evidence) -> None:
    if not evidence.exchanges:
        return
    *earlier, last = evidence.exchanges
    for number, exchange in enumerate(earlier, 1):
        answer = exchange.answer if exchange.answer is not None else "no answer"
        write_text(
            folder / "before" / f"{number}-{_plain(exchange.step)}.txt", _bytes(f"{exchange.request}\n\n{answer}\n")
        )
    write_text(folder / "request.txt", _bytes(last.request))
    if last.answer is not None:
        write_text(folder / "answer.txt", _bytes(last.answer))
    if evidence.expected is not None:
        write_text(folder / "expected.txt", evidence.expected)
    if evidence.body is not None:
        write_text(folder / "request-body.bin", evidence.body)
    if evidence.diff:
        write_text(folder / "difference.diff", _bytes("\n".join(evidence.diff) + "\n"))
    if curl := next((step.curl for step in report.steps if step.id == last.step and step.curl), None):
        write_text(folder / "curl.sh", _bytes(curl + "\n"))


def _file(path: Path, copy: Path, redaction: Redaction) -> None:
    """Copy a file that differs, or its beginning; a link is not followed, and what is not there leaves none."""
    content, size = _read(path, FILE_LIMIT, from_end=False)
    if content is not None:
        name = copy if size <= FILE_LIMIT else copy.with_name(f"{copy.name}.first-{FILE_LIMIT}-bytes")
        write_text(name, redaction.content(content))


def _logs(workspace: Path, folder: Path, since: float, redaction: Redaction) -> None:
    """Copy the logs below `workspace` that were written after `since` (POSIX seconds)."""
    left = LOGS_LIMIT
    for path in _written(workspace, since):
        content, size = _read(path, min(left, LOG_LIMIT), from_end=True)
        if content is None:
            continue
        left -= len(content)
        if size > len(content):  # what is left of a line might be the rest of a secret
            content = content[content.find(b"\n") + 1 :]
        write_text(folder / path.relative_to(workspace), redaction.content(content))
        if left <= 0:
            return


def _written(workspace: Path, since: float) -> list[Path]:
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


def _read(path: Path, limit: int, *, from_end: bool) -> tuple[bytes | None, int]:
    """At most `limit` bytes of a regular file, and how many it has; None for anything else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None, 0
    with open(descriptor, "rb") as file:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode):
            return None, 0
        if from_end:
            file.seek(max(0, seen.st_size - limit))
        return file.read(limit), seen.st_size


def _versions(evidence: Evidence) -> dict[str, object]:
    found: dict[str, object] = {"python": platform.python_version(), "system": platform.platform()}
    found.update(_installed())
    if evidence.components:
        found["recorded"] = dict(evidence.components)
    return found


def _installed() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        try:
            yield package, metadata.version(package)
        except metadata.PackageNotFoundError:
            yield package, "not installed"


def _inside(name: str) -> PurePosixPath:
    """`name` as a path below a folder. Raises ValueError for one that leads elsewhere."""
    inside = PurePosixPath(name)
    if inside.is_absolute() or ".." in inside.parts or not inside.parts:
        raise ValueError(f"{name!r} does not name a file below the diagnostics")
    return inside


def _plain(step: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", step)[:80] or "step"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _seconds(started_at: str) -> float:
    return float(int(datetime.fromisoformat(started_at).timestamp()))
