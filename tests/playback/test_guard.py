"""The watcher between us and a program: exit statuses, whole groups, killed watchers."""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path

import pytest

from playback.guard import Guarded

FAMILY = """
import os, sys, time
if os.fork() == 0:
    os.write(1, b"ready")
    time.sleep(600)
time.sleep(600)
"""


def wait_for_end(reader: int) -> bytes:
    """Everything written to the pipe until its last writer is gone."""
    written = b""
    while part := os.read(reader, 4096):
        written += part
    return written


def family(tmp_path: Path) -> tuple[Guarded, int]:
    """A program with a child of its own, and a pipe that both hold open. Returns when both run."""
    fifo = tmp_path / "alive"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with open(fifo, "wb", buffering=0) as output:
        guarded = Guarded([sys.executable, "-c", FAMILY], output=output)
    os.set_blocking(reader, True)
    assert os.read(reader, 5) == b"ready"
    return guarded, reader


def test_the_exit_status_is_the_programs_own() -> None:
    with Guarded([sys.executable, "-c", "raise SystemExit(7)"]) as program:
        assert program.watcher.wait(20) == 7
        assert program.poll() == 7


def test_stopping_ends_the_whole_group(tmp_path: Path) -> None:
    program, reader = family(tmp_path)
    assert program.stop() == 128 + signal.SIGTERM
    assert wait_for_end(reader) == b""
    assert program.stop() == 128 + signal.SIGTERM, "a second time changes nothing"
    os.close(reader)


@pytest.mark.skipif(sys.platform != "linux", reason="absent: PR_SET_PDEATHSIG is Linux only")
def test_a_killed_watcher_takes_the_program_along() -> None:
    program = Guarded(["/bin/sh", "-c", "exec sleep 600"])
    ended = os.pidfd_open(program.pid)
    program.watcher.kill()
    program.watcher.wait()
    assert select.select([ended], [], [], 20)[0]
    os.close(ended)


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"no-such-program could not be started: .*No such file"):
        Guarded([str(tmp_path / "no-such-program")])


def test_the_scratch_folder_goes_with_it(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with Guarded(["/bin/sh", "-c", "exec sleep 600"], scratch=scratch):
        assert scratch.exists()
    assert not scratch.exists()
