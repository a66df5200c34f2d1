"""Start a program that is gone when its parent is gone, however the parent ended.

    with Guarded(["redis-server", …], scratch=folder) as server:
        …

Between parent and program stands a small watcher: this file, run as a script by a bare interpreter. It notices a
parent that was killed (its own parent id changes), ends the program with everything in its process group, and removes
the scratch folder. Should the watcher itself be killed, Linux ends the program (PR_SET_PDEATHSIG, prctl(2)). The parent
cannot set that signal for the program directly: it fires when the *thread* that forked ends, not the parent.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

__all__ = ["Guarded"]

PARENT_CHECK = 0.25  # seconds between two looks at the parent
GRACE = 5.0  # seconds between SIGTERM and SIGKILL
PR_SET_PDEATHSIG = 1


class Guarded:
    """A running program under a watcher. `pid` is the program's own id, which is also its process group.

    Its output and errors go to `output`, an open file, else nowhere. Raises OSError when the program cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        scratch: Path | None = None,
        output: IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.scratch = scratch
        report, announce = os.pipe()
        watcher = [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(announce), str(scratch or "")]
        try:
            self.watcher = subprocess.Popen(
                [*watcher, *command],
                stdin=subprocess.DEVNULL,
                stdout=output or subprocess.DEVNULL,
                stderr=output or subprocess.DEVNULL,
                env=env,
                cwd=cwd,
                pass_fds=(announce,),
                start_new_session=True,
            )
        except OSError:
            os.close(report)
            raise
        finally:
            os.close(announce)
        with os.fdopen(report) as lines:
            answer = lines.read().strip()
        if not answer.isdigit():
            self.watcher.wait()
            raise OSError(f"{command[0]} could not be started: {answer or 'its watcher ended early'}")
        self.pid = int(answer)

    def poll(self) -> int | None:
        """The program's exit status as a shell would give it, or None while it runs."""
        return self.watcher.poll()

    def stop(self) -> int:
        """End the program and its process group; returns its exit status. Nothing happens the second time."""
        self.watcher.terminate()
        try:
            status = self.watcher.wait(GRACE + 2)
        except subprocess.TimeoutExpired:
            self.watcher.kill()
            status = self.watcher.wait()
        if self.scratch:
            shutil.rmtree(self.scratch, ignore_errors=True)
        return status

    def __enter__(self) -> Guarded:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _die_with_watcher() -> None:
    """In the child before exec: on Linux, SIGKILL when the watcher ends. Safe there: the watcher has one thread."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_group(program: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the program, SIGKILL to whatever of its group is left."""
    if program.poll() is None:
        program.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(GRACE)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(program.pid, signal.SIGKILL)
    program.wait()


def _watch(parent: int, announce: int, scratch: str, command: Sequence[str]) -> int:
    """Run `command` until it ends, until SIGTERM, or until `parent` is gone; returns its exit status."""
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    signal.signal(signal.SIGCHLD, lambda number, frame: None)  # only to wake the select below
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    try:
        try:
            program = subprocess.Popen(command, process_group=0, preexec_fn=_die_with_watcher)
        except OSError as error:
            os.write(announce, str(error).encode())
            return 127
        os.write(announce, str(program.pid).encode())
        os.close(announce)
        while program.poll() is None and not asked and os.getppid() == parent:
            if select.select([woken], [], [], PARENT_CHECK)[0]:
                os.read(woken, 64)
        _end_group(program)
        return program.returncode if program.returncode >= 0 else 128 - program.returncode
    finally:
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(_watch(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]))
