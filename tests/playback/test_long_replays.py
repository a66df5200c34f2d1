"""A replay of 2,000 steps takes no more memory than one of 200."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT, clean_environ

STEPS = 2000
PROGRAM = """
import itertools, json, resource, sys
from pathlib import Path
from playback.engine import Options, replay
from tests.playback.site import Answer, Site, profile

root, steps = Path(sys.argv[1]), int(sys.argv[2])
rows, files = [], {}
for n in range(steps // 2):
    made = {"id": f"{n:08x}-aaaa-4bbb-8ccc-{n:012x}", "text": "x" * 500}
    files[f"b/{n}.json"] = made
    extract = f"extract: {{id: {{json: id, was: {made['id']}}}}}"
    expect = f"expect: {{status: 200, media_type: application/json, body: b/{n}.json}}"
    rows.append(f"  - {{id: m{n}, method: POST, path: /make, json: '{{}}', {expect}, {extract}}}")
    rows.append(f"  - {{id: r{n}, path: '/read', query: 'id={{{{ steps.m{n}.id }}}}', {expect}}}")
profile(root, "metadata: {slug: shop}\\nsteps:\\n" + "\\n".join(rows), files)
count = itertools.count()
last = {}

def make(sent):
    n = next(count)
    last.update(id=f"{n:08x}-dddd-4eee-9fff-{n:012x}", text="x" * 500)
    return Answer(last)

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 1e6

seen = {}

def progress(event):
    if event["event"] == "step_finished" and event["index"] in (steps // 10, steps - 1):
        seen[event["index"]] = resident()

with Site({"/make": make, "/read": lambda sent: Answer(last)}) as site:
    report = replay("shop", root, Options(base_url=site.url), {}, progress)
first, end = seen.values()
# What getrusage tells is at least what the process had that started this one.
(peak,) = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(json.dumps([report.result, end - first, peak / 1e3]))
"""


def test_two_thousand_steps_in_constant_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(STEPS)]
    env = {**clean_environ(), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    result, growth, peak = json.loads(done.stdout.splitlines()[-1])
    assert result == "passed"
    assert growth < 15, f"{growth:.0f} MB more after {STEPS} steps than after {STEPS // 10}"
    assert peak < 150, f"{peak:.0f} MB"
