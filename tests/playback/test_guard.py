"""The watcher between us and a program: exit statuses, whole groups, killed watchers."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from playback.guard import PARENT_CHECK, Guarded

FAMILY = """
import os, sys, time
if os.fork() == 0:
    os.write(1, b"ready")
    time.sleep(600)
time.sleep(600)
"""


def wait_for_end(descriptor: int) -> None:
    """Until the pipe's last writer, or the process of a pidfd, is gone; AssertionError after 20 s."""
    assert select.select([descriptor], [], [], 20)[0], "still there after 20 s"


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
        assert program.watcher.wait(60) == 7
        assert program.poll() == 7


def test_stopping_ends_the_whole_group(tmp_path: Path) -> None:
    program, reader = family(tmp_path)
    assert program.stop() == 128 + signal.SIGTERM
    wait_for_end(reader)
    assert os.read(reader, 5) == b"", "all that held the pipe are gone"
    assert program.stop() == 128 + signal.SIGTERM, "a second time changes nothing"
    os.close(reader)


@pytest.mark.skipif(sys.platform != "linux", reason="absent: PR_SET_PDEATHSIG is Linux only")
def test_a_killed_watcher_takes_the_program_along(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    program = Guarded(["/bin/sh", "-c", "exec sleep 600"], scratch=scratch)
    ended = os.pidfd_open(program.pid)
    program.watcher.kill()
    wait_for_end(ended)
    os.close(ended)
    assert program.stop() == -signal.SIGKILL
    assert not scratch.exists()


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"no-such-program could not be started: .*No such file"):
        Guarded([str(tmp_path / "no-such-program")])


def test_the_scratch_folder_goes_with_it(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with Guarded(["/bin/sh", "-c", "exec sleep 600"], scratch=scratch):
        assert scratch.exists()
    assert not scratch.exists()


def test_it_outlives_the_thread_that_started_it() -> None:
    """What setting PR_SET_PDEATHSIG from the parent would get wrong."""
    started: list[Guarded] = []
    thread = threading.Thread(target=lambda: started.append(Guarded(["/bin/sh", "-c", "exec sleep 600"])))
    thread.start()
    thread.join()
    with started[0] as program, pytest.raises(subprocess.TimeoutExpired):
        program.watcher.wait(3 * PARENT_CHECK)
