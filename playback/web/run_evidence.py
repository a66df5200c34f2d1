"""What explains a step or a file that differs, out of the diagnostics of its run."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from playback.report import ComparisonOutcome, JobOutcome, Report, StepOutcome
from playback.web.side_by_side import Sides, of_diff, sides

__all__ = ["Failed", "Picture", "evidence_of_files", "evidence_of_step"]

_LARGEST = 2 << 20  # bytes of a body or file that are looked at
_EXCERPT = 20_000  # characters of an answer that are shown as they are
_GAP = 4  # pixels between the panels of a picture (comparators/raster_picture.py)


@dataclass(frozen=True)
class Failed:
    """A step that did not pass. `sides` are its bodies, `answer` and `request` what went over the wire, where it was kept."""

    number: int
    step: StepOutcome
    sides: Sides
    diff: Sides
    answer: str = ""
    request: str = ""

    @property
    def jobs(self) -> list[JobOutcome]:
        """Those that did not finish, whatever they hang on."""
        found, waiting = [], list(self.step.jobs)
        while waiting:
            job = waiting.pop(0)
            waiting[:0] = job.children
            if job.status != "finished":
                found.append(job)
        return found


@dataclass(frozen=True)
class Picture:
    """A picture of three panels of `width` × `height`: expected, actual, difference."""

    name: str
    whole: int
    width: int
    height: int

    @property
    def places(self) -> list[tuple[str, int]]:
        step = self.width + _GAP
        return [("Expected", 0), ("Actual", -step), ("Difference", -2 * step)]


def evidence_of_step(folder: Path, report: Report, number: int, step: StepOutcome) -> Failed:
    """The step with what the diagnostics hold of it: those of the first that failed, of others nothing."""
    if step.id != report.failing_step:
        return Failed(number, step, Sides(), Sides())
    diagnostics = folder / "diagnostics"
    answer, expected = _text(diagnostics / "answer.txt"), _text(diagnostics / "expected.txt")
    body = answer.partition("\n\n")[2] if answer else ""
    pointers = [m.where.removeprefix("body:") for m in step.mismatches if m.where.startswith("body:/")]
    both = sides(expected, body, differing=pointers) if expected and body and pointers else Sides()
    diff = _text(diagnostics / "difference.diff")
    return Failed(
        number, step, both if both.tree else Sides(), of_diff(diff.splitlines()) if diff else Sides(),
        (answer or "")[:_EXCERPT], (_text(diagnostics / "request.txt") or "")[:_EXCERPT],
    )  # fmt: skip


def evidence_of_files(folder: Path, file: ComparisonOutcome) -> tuple[Sides, list[Picture]]:
    """A file that differs side by side with its baseline, and pictures of rasters."""
    pictures = [found for name in file.pictures if (found := _picture(folder, name))]
    if pictures:
        return Sides(), pictures
    if file.details and file.details[0].startswith("--- "):
        return of_diff(file.details), []
    below = folder / "diagnostics" / "files"
    both = [_text(below / side / file.target) for side in ("expected", "actual")]
    if both[0] is None or both[1] is None or "\0" in both[0] + both[1]:
        return Sides(), []
    return sides(both[0], both[1], named=file.target), []


def _picture(folder: Path, name: str) -> Picture | None:
    path = folder / "diagnostics" / "pictures" / Path(name).name
    try:
        with path.open("rb") as file:
            head = file.read(24)
    except OSError:
        return None
    if head[:8] != b"\x89PNG\r\n\x1a\n" or len(head) < 24:
        return None
    whole, height = struct.unpack(">II", head[16:24])
    return Picture(path.name, whole, (whole - 2 * _GAP) // 3, height)


def _text(path: Path) -> str | None:
    """A text of the diagnostics; None for what is not there, a link, too large or no text."""
    try:
        if path.is_symlink() or path.stat().st_size > _LARGEST:
            return None
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
