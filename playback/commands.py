"""Steps of action `command`: a program of the application's maintainers, run beside the target (a migration, an import).

A profile comes from outside, and a command is code that runs here: only programs named in PROFILE_PLAYBACK_COMMANDS
(comma-separated patterns for the first word) are started, without a shell, with an environment that holds no secrets.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from assembler.profile import Step
from playback.errors import BadProfile
from playback.template import Scope, fill

__all__ = ["ALLOWED", "Commands", "Finished"]

ALLOWED = "PROFILE_PLAYBACK_COMMANDS"
_LIMIT = 300.0
_LOOK = 0.2  # seconds between two looks at whether the replay was cancelled
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Finished:
    """How a command ended: its exit code and what it wrote, standard output and error together."""

    exit_code: int
    output: str


class Commands:
    """Runs the commands of one replay in `folder` (the run's workspace, else the data root)."""

    def __init__(self, environ: Mapping[str, str], folder: Path, cancelled: threading.Event | None = None) -> None:
        self.allowed = [pattern.strip() for pattern in environ.get(ALLOWED, "").split(",") if pattern.strip()]
        self.environ = {name: environ[name] for name in _KEPT if name in environ}
        self.folder = folder
        self.cancelled = cancelled or threading.Event()

    def run(self, step: Step, scope: Scope) -> Finished:
        """Run the step's command to its end.

        Raises `BadProfile` when it is not allowed or not there, TimeoutError after the step's timeout (default 300 s) or
        when the replay is cancelled: then it is killed, with everything that it started.
        """
        words = [fill(word, scope) for word in step.command or []]
        if not any(fnmatch.fnmatchcase(words[0], pattern) for pattern in self.allowed):
            listed = ", ".join(self.allowed) or "nothing"
            raise BadProfile(
                f"Step {step.id} would run {words[0]!r}, which {ALLOWED} does not allow (allowed: {listed})."
            )
        limit = step.timeout or _LIMIT
        try:
            running = subprocess.Popen(
                words,
                cwd=self.folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        except ValueError as error:  # a NUL in a word
            raise BadProfile(f"Step {step.id}: {words[0]!r} cannot be run: {error}.") from None
        except OSError as error:
            raise BadProfile(f"Step {step.id}: {words[0]!r} cannot be run: {error.strerror}.") from None
        with running:
            output = self._output(running, time.monotonic() + limit, f"not finished after {limit:g} s")
        return Finished(running.returncode, output.decode("utf-8", "replace"))

    def _output(self, running: subprocess.Popen[bytes], deadline: float, late: str) -> bytes:
        """What it has written when it ends."""
        while True:
            try:
                return running.communicate(timeout=max(0.0, min(_LOOK, deadline - time.monotonic())))[0]
            except subprocess.TimeoutExpired:
                if not self.cancelled.is_set() and time.monotonic() < deadline:
                    continue
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(running.pid, signal.SIGKILL)
                raise TimeoutError("the run was cancelled" if self.cancelled.is_set() else late) from None
