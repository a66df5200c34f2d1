"""Replay the sample profile against mistakes in the sample application, one after the other.

    python scripts/mutants.py [--count 100] [--seed 1] [--write docs/mutants.md]

Mutants (scripts/mutations.py) are drawn at random from all of the application's modules, until COUNT of them *failed*.
For each of those the named step must be one in which the mutated place was run, or come after one; and where a file is
named, it must have been written after the place was first run. Each survivor, and each that could not be judged, must have
its reason in scripts/survivors.toml: somebody looked, and found that nothing that was recorded shows it. Mutants whose place
no recorded request runs, and those with which the application does not start, are counted apart.

Exit code 1 when one failed at a place that the mutated code does not serve, or did not fail and has no reason.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import shutil
import sys
import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from mutants_page import page  # noqa: E402
from mutations import Mutation, mutations  # noqa: E402

from playback.engine import Options, replay  # noqa: E402
from playback.report import Report  # noqa: E402
from playback.summary import step_lines  # noqa: E402
from tests.examples.watershed_site import WATERSHED  # noqa: E402
from tests.sample import settings, site_of_its_own  # noqa: E402

SLUG = "watershed-small"
LEFT_OUT = {"make_dem.py", "settings.py", "current.py", "worker.py"}
"""Modules that make data or read the environment: no request runs them."""
UNNOTICED = ("survived", "error")
CLOCKS = 0.02
"""Seconds by which the time of a file may be behind the clock."""


@dataclass
class Judged:
    """What became of one mutant. `kind`: `failed`, `survived`, `error`, `never run` or `does not start`."""

    module: str
    mutation: Mutation
    kind: str
    where: str = ""
    """The step or file that the report names."""
    difference: str = ""
    ran: list[str] = field(default_factory=list)
    """Where the mutated place was run: ids of steps up to the failing one, `start` for the application's start."""
    right: bool = True
    """False when the mutated place cannot have to do with what is named."""
    reason: str = ""
    """Why it did not fail."""

    def line(self) -> str:
        told = [self.kind, f"at {self.where}" if self.where else "", self.difference, self.reason]
        ran = f"  [run in {', '.join(self.ran)}]" if self.ran else ""
        return (
            f"{self.module}:{self.mutation.line}  {self.mutation.what}  →  {' '.join(filter(None, told))}{ran}"
            f"{'' if self.right else '  WRONG PLACE'}"
        )


class Watch:
    """Notes in which steps the mutated place is run, by the growth of the file it tells."""

    def __init__(self, reached: Path) -> None:
        self.reached, self.size, self.ran = reached, 0, list[str]()
        self.look("start")

    def look(self, place: str) -> None:
        size = self.reached.stat().st_size if self.reached.exists() else 0
        if size > self.size:
            self.ran.append(place)
        self.size = size

    def __call__(self, event: dict[str, Any]) -> None:
        if event["event"] == "step_finished":
            self.look(event["id"])

    def first(self) -> float:
        """When the place was first run, Unix time in seconds."""
        with self.reached.open() as lines:
            return float(next(lines))


def drawn(seed: int, reached: str) -> list[tuple[str, Mutation]]:
    """All mutations of all modules, each with the name of its module, shuffled."""
    found = [
        (path.name, mutation)
        for path in sorted(WATERSHED.glob("*.py"))
        if path.name not in LEFT_OUT
        for mutation in mutations(path.read_text(), reached)
    ]
    random.Random(seed).shuffle(found)
    return found


def judged(folder: Path, module: str, mutation: Mutation, reached: Path) -> Judged:
    """Start the application with one mutation, and replay the profile against it."""
    reached.unlink(missing_ok=True)
    source = shutil.copytree(WATERSHED, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    (source / module).write_text(mutation.source)
    data_root = folder / "data"
    shutil.copytree(ROOT / "profiles" / SLUG, data_root / "profiles" / SLUG)
    (folder / "site").mkdir()
    try:
        with contextlib.redirect_stderr(io.StringIO()), site_of_its_own(folder / "site", source) as site:
            watch = Watch(reached)
            report = replay(
                SLUG, data_root, Options(base_url=site.url, keep=True), settings(site, data_root), progress=watch
            )
    except (AssertionError, OSError) as error:
        return Judged(module, mutation, "does not start", type(error).__name__)
    if report.result == "passed":
        return Judged(module, mutation, "survived" if watch.ran else "never run", ran=watch.ran)
    if report.result != "failed":
        return Judged(module, mutation, report.result, difference=report.error or "", ran=watch.ran)
    one = named(Judged(module, mutation, "failed", ran=watch.ran), report, watch)
    one.difference = one.difference.replace(str(folder), "…")
    return one


def named(one: Judged, report: Report, watch: Watch) -> Judged:
    """`one` with what the report names, and whether that can be the mutation's doing."""
    if report.failing_step is not None:
        one.where = report.failing_step
        (step,) = [step for step in report.steps if step.id == report.failing_step]
        one.difference = step_lines(step)[1].strip()
        one.right = bool(watch.ran)  # the watch ended with this step: whatever it saw was in it or before it
        return one
    files = [comparison for comparison in report.comparisons if comparison.result != "passed"]
    one.where = ", ".join(comparison.target for comparison in files)
    one.difference = files[0].summary
    written = [Path(report.run_dir or "") / comparison.target for comparison in files]
    one.right = bool(watch.ran) and all(
        path.stat().st_mtime >= watch.first() - CLOCKS for path in written if path.exists()
    )
    return one


def reasons() -> dict[tuple[str, str, str], str]:
    """Why a mutant does not fail, by module, text of the line and mutation."""
    document = tomllib.loads((ROOT / "scripts" / "survivors.toml").read_text(encoding="utf-8"))
    return {
        (each["module"], each["line"], what): each["why"] for each in document["survivor"] for what in each["mutations"]
    }


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=100)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument(
        "--write", type=Path, metavar="FILE.md", help="write the outcome as a page of the documentation"
    )
    chosen = options.parse_args()
    known, every, tally = reasons(), list[Judged](), Counter[str]()
    with tempfile.TemporaryDirectory() as scratch:
        reached = Path(scratch) / "reached"
        for number, (module, mutation) in enumerate(drawn(chosen.seed, str(reached))):
            one = judged(Path(scratch) / str(number), module, mutation, reached)
            shutil.rmtree(Path(scratch) / str(number), ignore_errors=True)
            if one.kind in UNNOTICED:
                one.reason = known.get((module, mutation.text, mutation.what), "")
            every.append(one)
            tally[one.kind] += 1
            print(one.line(), flush=True)
            if tally["failed"] >= chosen.count:
                break
    unexplained = sum(one.kind in UNNOTICED and not one.reason for one in every)
    wrong = sum(not one.right for one in every)
    print("\n" + ", ".join(f"{count} {kind}" for kind, count in tally.most_common()))
    print(f"{wrong} at a wrong place, {unexplained} that did not fail, unexplained")
    if chosen.write:
        chosen.write.write_text(page(every, f"python scripts/mutants.py --count {chosen.count} --seed {chosen.seed}"))
    return 1 if wrong or unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
