"""How soon the next step is sent after a job has ended, in each of the three ways to see jobs.

    python benchmarks/waits.py          under a minute: medians of jobs of 0.2 to 0.6 s, on loopback

The peer is a bare XREAD on the job's result, in the same run: what Redis itself needs to tell.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not the folder of this file: it holds another `recorder`

from redis import Redis  # noqa: E402

from benchmarks._measure import Table, percentile  # noqa: E402
from playback.redis_server import RedisNotFound  # noqa: E402
from tests.playback.job_site import WAYS, JobSite, job_site  # noqa: E402
from tests.playback.site import profile  # noqa: E402

JOBS = 25
LIMITS = {"redis": 5, "recorder": 10, "application": 60}
"""Milliseconds that the median may take."""
SHOWN = {"redis": "Redis", "recorder": "the recorder's long poll", "application": "the application's status address"}
STEP = """
  - id: start-{number}
    method: POST
    path: /start/timed
    expect: {{status: 200}}
    extract: {{job_id: {{json: job_id}}}}
    wait: {{type: job, job: "{{{{ steps.start-{number}.job_id }}}}"}}
  - id: next-{number}
    path: /next
"""


class Delays:
    """Milliseconds from a result in Redis to the next step, and to a bare XREAD."""

    def __init__(self, site: JobSite) -> None:
        self.site = site
        self.bare: list[float] = []
        self.ours: list[float] = []
        self._job = ""
        self._peer = threading.Thread()

    def note(self, event: dict[str, Any]) -> None:
        """Called as the replay goes."""
        now = time.time()
        if event["event"] == "wait_started":
            self._job = event["job"]
            self._peer = threading.Thread(target=self._read, args=(self._job,))
            self._peer.start()
        elif event["event"] == "step_started" and event["id"].startswith("next"):
            self.ours.append(1000 * (now - self._ended()))
            self._peer.join()

    def _ended(self) -> float:
        """When the result was written, by the clock of Redis, which is this machine's; to a millisecond."""
        (found,) = self.site.redis.xrevrange(f"rq:results:{self._job}", count=1)
        return int(found[0].partition(b"-")[0]) / 1000 + 0.0005

    def _read(self, job: str) -> None:
        with Redis.from_url(self.site.redis_url, socket_timeout=None) as connection:
            connection.xread({f"rq:results:{job}": "0-0"}, block=10_000)
            self.bare.append(1000 * (time.time() - self._ended()))


def measure(site: JobSite, folder: Path, way: str) -> Delays:
    """One replay of many short jobs."""
    steps = "".join(STEP.format(number=number) for number in range(JOBS))
    profile(folder, "metadata: {slug: waits}\nsteps:" + steps, {}, slug="waits")
    delays = Delays(site)
    report = site.replayed(folder, "waits", way, delays.note)
    if report.result != "passed":
        raise RuntimeError(f"{way}: {report.result} at {report.failing_step}: {report.error}")
    return delays


def main() -> int:
    """Measure everything, in a folder of its own. Returns 1 when a limit is not kept."""
    began, late = time.monotonic(), False
    with tempfile.TemporaryDirectory(prefix="pte-bench-") as name:
        try:
            with job_site(Path(name)) as site:
                table = Table("Milliseconds from a job's result to the next step (median)", "bare XREAD", "replay")
                for way in WAYS:
                    delays = measure(site, Path(name) / way, way)
                    bare, ours = statistics.median(delays.bare), statistics.median(delays.ours)
                    note = f"limit {LIMITS[way]} ms; p90 {percentile(delays.ours, 0.9):.1f} ms"
                    table.row(f"by {SHOWN[way]}", bare, ours, "ms", note)
                    late = late or ours > LIMITS[way]
        except (RuntimeError, RedisNotFound) as error:
            print(f"not measured: {error}")
            return 1
    print(f"\n{time.monotonic() - began:.0f} s in all, Python {sys.version.split()[0]}, {os.cpu_count()} processors")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
