"""Replay one recording many times over, and count what is red on unchanged code.

    python scripts/repeat.py [--count 100]

The profile that comes with the repository, one replay after the other at one instance of the sample application.

`python scripts/corpus.py CORPUS --repeat N` uses it for recordings of the practice applications. There every replay meets
an instance of its own; half of them have their counted ids moved. Then each mutant once: it must end with exit code 1, at
the step where it behaves differently.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SLUG = "watershed-small"
SHIFT = 7
MASKED = 0.02
"""The share of compared values that may be masked at most."""

Replay = Callable[[Path, Path, str], int]


@dataclass
class Count:
    """What became of the replays of one application."""

    app: str
    green: dict[str, int] = field(default_factory=dict)
    red: list[str] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    mutants: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """True when nothing was red that should not be, nothing green that should not be, and little was masked."""
        return not self.red and not self.missed and max(self.shares, default=1.0) < MASKED


def repeat(corpus: Path, apps: list[str], times: int, slug: str, wrap: str, replay: Replay) -> bool:
    """Print a line for each application and whatever went wrong; True when nothing did. Raises nothing of its own."""
    sys.path.insert(0, str(corpus))
    harness: Any = importlib.import_module("harness")
    counts = [_counted(harness, corpus, app, times, slug, wrap, replay) for app in apps]
    return all(count.good for count in counts)


def _counted(harness: Any, corpus: Path, app: str, times: int, slug: str, wrap: str, replay: Replay) -> Count:
    count = Count(app)
    recording = Path(tempfile.mkdtemp(prefix=f"repeat-{app}-"))
    recorder = {"RECORDER_ROOT": str(recording / "recorder"), "RECORDER_CAPTURE": slug}
    with harness.Instance(app, wrap=wrap, extra=recorder) as instance:
        code, output = instance.drive()
    if code:
        count.red.append(f"the workflow failed under the recorder: {output[-200:]}")
    secrets = corpus / app / "secrets.env"

    def replayed(**how: int) -> tuple[int, bool, dict[str, Any]]:
        with harness.Instance(app, **how) as instance:
            code = replay(secrets, recording, instance.base)
            right = instance.drive(check=True)[0] == 0
        latest = recording / "data" / "profiles" / "results" / "latest.json"
        return code, right, json.loads(latest.read_bytes()) if latest.exists() else {}

    for name, how in (("fresh", {}), ("shifted", {"shift": SHIFT})):
        for number in range(0 if code else times):
            code, right, report = replayed(**how)
            if code == 0 and right:
                count.green[name] = count.green.get(name, 0) + 1
                count.shares.append(report["masked"]["masked"] / max(1, report["masked"]["compared"]))
            else:
                wrong = "a wrong end state" if code == 0 else f"exit code {code} at {report.get('failing_step')}"
                count.red.append(f"{name} {number + 1}: {wrong}: {_first(report)}")
    for mutant in range(1, harness.n_mutants(app) + 1) if count.green.get("fresh") else ():
        code, _, report = replayed(mutant=mutant)
        (count.mutants if code == 1 else count.missed).append(
            f"mutant {mutant}: exit code {code} at {report.get('failing_step')}: {_first(report)}"
        )
    print(
        f"{app}: "
        + ", ".join(f"{name} {count.green.get(name, 0)} of {times} green" for name in ("fresh", "shifted"))
        + f"; masked at most {max(count.shares, default=1.0):.2%}"
        + f"; mutants failed {len(count.mutants)} of {len(count.mutants) + len(count.missed)}"
    )
    for line in (*(f"RED {line}" for line in count.red), *(f"MISSED {line}" for line in count.missed), *count.mutants):
        print(f"  {line}", flush=True)
    return count


def _first(report: dict[str, Any]) -> str:
    """Where the first difference is, in one line."""
    for step in report.get("steps", []):
        for mismatch in step["mismatches"]:
            told = mismatch.get("message") or f"expected {mismatch['expected']!r}, got {mismatch['actual']!r}"
            return f"{step['method']} {step['path']} {mismatch['where']}: {told}"[:240]
    return str(report.get("error"))[:240]


def sample(times: int) -> int:
    """Replay the sample profile `times` times at one instance; returns how many of those were not `passed`."""
    sys.path.insert(0, str(ROOT))
    from playback.engine import Options, replay
    from playback.summary import render
    from tests.sample import settings, site_of_its_own

    red = 0
    with tempfile.TemporaryDirectory() as scratch:
        data_root, folder = Path(scratch) / "data", Path(scratch) / "site"
        shutil.copytree(ROOT / "profiles" / SLUG, data_root / "profiles" / SLUG)
        folder.mkdir()
        with site_of_its_own(folder) as site:
            for number in range(1, times + 1):
                report = replay(SLUG, data_root, Options(base_url=site.url), settings(site, data_root))
                if report.result != "passed":
                    red += 1
                    print(f"replay {number}:\n{render(report)}", flush=True)
    print(f"{SLUG}: {times - red} of {times} passed")
    return red


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=100)
    return 1 if sample(options.parse_args().count) else 0


if __name__ == "__main__":
    sys.exit(main())
