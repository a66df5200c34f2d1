"""Replay the sample profile against mistakes in the sample application, one after the other.

    python scripts/mutants.py [--count 100] [--seed 1]

Mutants (scripts/mutations.py) are drawn at random from all of the application's modules, until COUNT of them were noticed
or survived though their place was run. Mutants whose place no recorded request runs, and those with which the application
does not start, are counted apart. Each survivor is printed: somebody has to say why, or mend what let it pass.
Exit code 1 when one was neither noticed nor never run.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from mutations import Mutation, mutations  # noqa: E402

from playback.engine import Options, replay  # noqa: E402
from tests.examples.watershed_site import WATERSHED  # noqa: E402
from tests.sample import settings, site_of_its_own  # noqa: E402

SLUG = "watershed-small"
LEFT_OUT = {"make_dem.py", "settings.py", "current.py", "worker.py"}
"""Modules that make data or read the environment: no request runs them."""


def drawn(seed: int, reached: str) -> list[tuple[str, Mutation]]:
    found = [
        (path.name, mutation)
        for path in sorted(WATERSHED.glob("*.py"))
        if path.name not in LEFT_OUT
        for mutation in mutations(path.read_text(), reached)
    ]
    random.Random(seed).shuffle(found)
    return found


def judged(folder: Path, name: str, mutation: Mutation, reached: Path) -> str:
    """`failed at <where>`, `survived`, `never run` or `does not start`."""
    source = shutil.copytree(WATERSHED, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    (source / name).write_text(mutation.source)
    data_root = folder / "data"
    shutil.copytree(ROOT / "profiles" / SLUG, data_root / "profiles" / SLUG)
    (folder / "site").mkdir()
    try:
        with contextlib.redirect_stderr(io.StringIO()), site_of_its_own(folder / "site", source) as site:
            reached.unlink(missing_ok=True)  # what is run when the application starts proves nothing
            report = replay(SLUG, data_root, Options(base_url=site.url), settings(site, data_root))
    except (AssertionError, OSError) as error:
        return f"does not start ({type(error).__name__})"
    if report.result == "passed":
        return "survived" if reached.exists() else "never run"
    where = report.failing_step or next((c.target for c in report.comparisons if c.result != "passed"), "")
    return f"{report.result} at {where or report.error}"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=100)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        reached = Path(scratch) / "reached"
        for number, (name, mutation) in enumerate(drawn(chosen.seed, str(reached))):
            verdict = judged(Path(scratch) / str(number), name, mutation, reached)
            shutil.rmtree(Path(scratch) / str(number), ignore_errors=True)
            kind = verdict.partition(" at ")[0].partition(" (")[0]
            tally[kind] += 1
            print(f"{name}:{mutation.line}  {mutation.what}  →  {verdict}", flush=True)
            if tally["failed"] + tally["error"] + tally["survived"] >= chosen.count:
                break
    print("\n" + ", ".join(f"{count} {kind}" for kind, count in tally.most_common()))
    return 1 if tally["survived"] or tally["error"] else 0


if __name__ == "__main__":
    sys.exit(main())
