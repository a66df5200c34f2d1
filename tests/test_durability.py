"""A short soak: what is left when workers and assembler are killed (`make soak` is the long one)."""

from __future__ import annotations

import subprocess
import sys

from tests.support import ROOT, clean_environ


def test_kill_9_loses_nothing_that_was_answered() -> None:
    options = ["--kills", "5", "--assemblies", "6", "--faulty", "0", "--records", "500", "--seed", "7"]
    command = [sys.executable, str(ROOT / "scripts/soak.py"), *options]
    ran = subprocess.run(command, cwd=ROOT, env=clean_environ(), capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "violations: none" in ran.stdout
    lines = [line.rsplit(None, 1) for line in ran.stdout.splitlines()[1:-1]]
    counts = {what.strip(): int(count.replace(",", "")) for what, count in lines}
    assert counts["kills"] == 5
    assert counts["answers"] > 20
    assert counts["fuzzed records"] == 500
    assert counts["drafts left whole"] + counts["drafts left absent"] == 6
