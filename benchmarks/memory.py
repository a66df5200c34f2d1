"""How much memory a long replay takes: 2,000 steps, in a process of its own.

    python benchmarks/memory.py         under a minute

The peak is `getrusage` of that process when the report is made. One that has only loaded the engine stands beside it.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not the folder of this file: it holds another `recorder`

# Nothing of the engine here: a process begins with the peak of the one that started it (getrusage(2)), so that one stays small.
from benchmarks._measure import Table, loaded  # noqa: E402
from tests.support import Server  # noqa: E402

STEPS = 2_000
LIMIT = 150.0  # MB
APP = "benchmarks._things:app"


def recorded(folder: str, url: str) -> None:
    """Send the requests to the recorded application."""
    from benchmarks.replay import tiny_requests

    tiny_requests(url, STEPS // 5)


def assembled(folder: str, url: str) -> None:
    """Make the profile of what was recorded."""
    from assembler import assemble
    from assembler.promote import promote

    assemble(Path(folder, "recorder"), "long", Path(folder))
    promote("long", Path(folder))


def idle(folder: str, url: str) -> None:
    """Load the engine and do nothing."""
    import playback.engine  # noqa: F401


def replayed(folder: str, url: str) -> None:
    """Replay the profile."""
    from playback.engine import Options, replay

    report = replay("long", Path(folder), Options(base_url=url), {"PROFILE_SECRET_PASSWORD": "unused"})
    if report.result != "passed" or len(report.steps) < STEPS:
        raise SystemExit(f"{report.result}, {len(report.steps)} steps: {report.failing_step}: {report.error}")


PARTS = {part.__name__: part for part in (recorded, assembled, idle, replayed)}


def peak(part: str, folder: str, url: str) -> float:
    """The largest resident memory of a process that does `part`, in MB. Raises CalledProcessError when it fails."""
    command = [sys.executable, __file__, part, folder, url]
    said = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(said.splitlines()[-1])


def main() -> int:
    """Measure in a folder of its own; returns 1 when the limit is not kept."""
    if len(sys.argv) > 1:
        PARTS[sys.argv[1]](*sys.argv[2:])
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)  # Linux counts in KiB
        return 0
    print(loaded())
    with tempfile.TemporaryDirectory(prefix="pte-bench-") as folder:
        recording = {"RECORDER_ROOT": f"{folder}/recorder", "RECORDER_CAPTURE": "long", "WRAPPED_APP": APP}
        with Server.uvicorn("tests.apps.wrapped:app", env={"APP_STATE": folder, **recording}, path="/health") as server:
            peak("recorded", folder, server.url)
        peak("assembled", folder, "")
        with Server.uvicorn(APP, path="/things/none", env={}) as server:
            bare, found = peak("idle", folder, ""), peak("replayed", folder, server.url)
    table = Table("Peak memory of a process", "only loaded", "after replaying")
    table.row(f"{STEPS:,} steps, bodies and comparison on", bare, found, "MB", f"must be less than {LIMIT:.0f} MB")
    return int(found >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
