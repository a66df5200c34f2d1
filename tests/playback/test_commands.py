"""Steps that run a program: only what is allowed, judged by exit code and output, without the secrets of the replay."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from assembler.profile import Step
from playback.commands import ALLOWED, Commands
from playback.errors import BadProfile
from playback.template import Scope
from tests.support import wait_until

PYTHON = Path(sys.executable).name


def step(*code: str, **rest: object) -> Step:
    return Step.model_validate({"id": "migrate", "action": "command", "command": [sys.executable, "-c", *code], **rest})


def commands(folder: Path, allowed: str = f"*{PYTHON}", **environ: str) -> Commands:
    return Commands({ALLOWED: allowed, **environ}, folder)


def test_it_runs_in_the_workspace_with_places_filled(tmp_path: Path) -> None:
    wanted = step("import os, sys; print(os.getcwd(), sys.argv[1]); sys.exit(3)", "{{ run_id }}")
    finished = commands(tmp_path).run(wanted, Scope(values={"run_id": "brave-otter"}))
    assert finished.exit_code == 3
    assert finished.output.split() == [str(tmp_path.resolve()), "brave-otter"]


@pytest.mark.parametrize("allowed", ["", "manage.py,alembic"])
def test_what_is_not_allowed_is_refused(tmp_path: Path, allowed: str) -> None:
    with pytest.raises(BadProfile, match="PROFILE_PLAYBACK_COMMANDS does not allow"):
        commands(tmp_path, allowed).run(step("1"), Scope())


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    missing = Step.model_validate({"id": "x", "action": "command", "command": ["no-such-program"]})
    with pytest.raises(BadProfile, match="cannot be run"):
        commands(tmp_path, "no-such-*").run(missing, Scope())


def test_it_gets_no_secrets(tmp_path: Path) -> None:
    wanted = step("import os; print(sorted(os.environ))")
    finished = commands(tmp_path, PROFILE_SECRET_PASSWORD="hush", ADMIN_PASSWORD="hush", PATH="/bin").run(
        wanted, Scope()
    )
    assert "PATH" in finished.output
    assert "PASSWORD" not in finished.output


def test_it_may_not_go_on_for_ever(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="not finished"):
        commands(tmp_path).run(
            step("input() if False else __import__('threading').Event().wait()", timeout=0.5), Scope()
        )


def test_it_ends_with_the_replay_and_takes_along_what_it_started(tmp_path: Path) -> None:
    """A child that holds the output open would keep whoever reads it for ten minutes."""
    cancelled = threading.Event()
    child = "open('began', 'w').close(); __import__('time').sleep(600)"
    wanted = step(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])")
    began = time.monotonic()
    threading.Thread(target=lambda: (wait_until((tmp_path / "began").exists, "the child"), cancelled.set())).start()
    with pytest.raises(TimeoutError, match="the run was cancelled"):
        Commands({ALLOWED: f"*{PYTHON}"}, tmp_path, cancelled).run(wanted, Scope())
    assert time.monotonic() - began < 120


def test_more_than_a_pipe_holds_is_read_to_the_end(tmp_path: Path) -> None:
    wanted = step(
        "import sys, time; sys.stdout.write('x' * 300_000); sys.stdout.flush(); time.sleep(0.5); print('end')"
    )
    assert commands(tmp_path).run(wanted, Scope()).output == "x" * 300_000 + "end\n"
