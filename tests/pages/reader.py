"""Somebody who follows a page: writes its files and gives its commands, in order, in an empty folder of their own."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import typer
from typer.main import get_command

from playback.guard import Guarded
from tests.pages.page import Block, Mark
from tests.support import OTHERS_PLUGINS, clean_environ, free_port, wait_until
from wctl.cli import app

__all__ = ["Reader"]

SHIMS = Path(__file__).parent / "bin"
PORTS = ("8000", "8001", "8070")
"""Ports that pages name. The reader has free ones instead."""
REDIS = re.compile(r"redis://(?:127\.0\.0\.1|redis):6379/0")
LIMIT = 600.0  # seconds for one block; most take one


class Reader:
    """`folder` is the reader's working folder, and all that stays of them. On leaving, every server is gone."""

    def __init__(self, folder: Path, redis: Callable[[], str]) -> None:
        self.folder = folder / "work"
        self.folder.mkdir(parents=True)
        self._own = folder / "terminal"
        self._own.mkdir()
        self._redis = redis
        self._ports = {port: str(free_port()) for port in PORTS}
        self._servers: list[tuple[Guarded, Path]] = []
        self._blocks = 0
        self.output = ""
        self.env = {
            **clean_environ(),
            "HOME": str(self._own),
            "PATH": os.pathsep.join([str(SHIMS), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONUNBUFFERED": "1",
            "COLUMNS": "200",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "PYTEST_ADDOPTS": " ".join(OTHERS_PLUGINS),
        }
        (self._own / ".curlrc").write_text("silent\nshow-error\n")  # as on a terminal, where it shows no progress
        (self._own / ".gitconfig").write_text(
            "[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n"
        )

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def follow(self, step: Mark | Block, given: Mapping[str, Callable[[Reader], None]]) -> None:
        """What the page says next. Raises AssertionError when it does not come out as the page says."""
        if isinstance(step, Mark):
            if step.word == "stop":
                self.stop()
            else:
                given[step.text](self)
        elif "not run" in step.marks:
            self._look_at(step)
        elif "prints" in step.marks:
            self._compare(step)
        elif step.title:
            self.write(step.title, step.text)
        elif "server" in step.marks:
            self.serve(step.text, step.marks["server"])
        elif step.language == "bash":
            self.run(step.text, int(step.marks.get("exit", "0")))

    def here(self, text: str) -> str:
        """`text` with addresses that are free on this machine."""
        text = REDIS.sub(lambda _: self._redis(), text)
        return re.sub(rf"\b({'|'.join(PORTS)})\b", lambda match: self._ports[match[0]], text)

    def write(self, name: str, text: str) -> None:
        """A file of the page, below where the terminal is."""
        path = self._place() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.here(text), encoding="utf-8")

    def run(self, commands: str, code: int = 0) -> str:
        """Commands in the reader's terminal; folder and exported variables stay. Returns what they wrote."""
        path, script = self._script(commands)
        log = path.with_suffix(".txt")
        with log.open("wb") as written, Guarded(script, env=self.env, cwd=self._place(), output=written) as running:
            try:
                status = running.watcher.wait(LIMIT)
            except subprocess.TimeoutExpired:
                status = None
        self.output = log.read_text(encoding="utf-8", errors="replace")
        assert status == code, (
            f"exit code {status}, where {code} was expected:\n{commands}\n{self.output}{self._said()}"
        )
        return self.output

    def program(self, text: str) -> None:
        """A program of Python, in a process of its own."""
        path = self._own / "program.py"
        path.write_text(self.here(text), encoding="utf-8")
        self.run(f"PYTHONPATH=. python {path}\n")

    def serve(self, commands: str, sign: str) -> None:
        """Commands in a terminal of their own, which is left when `sign` is there."""
        path, script = self._script(commands)
        log = path.with_suffix(".txt")
        with log.open("wb") as written:
            running = Guarded(script, env=self.env, cwd=self._place(), output=written)
        self._servers.append((running, log))
        there = (
            _listens(self.here(sign)) if sign.startswith("http") else (lambda: sign in log.read_text(errors="replace"))
        )
        wait_until(lambda: running.poll() is not None or there(), f"{sign} of\n{commands}", LIMIT)
        assert running.poll() is None, f"it ended early:\n{commands}\n{log.read_text()}"

    def stop(self) -> None:
        """Ctrl-C in every terminal in which something runs."""
        for running, _ in self._servers:
            try:
                os.killpg(running.pid, signal.SIGINT)
                running.watcher.wait(10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass
            running.stop()
        self._servers.clear()

    def _script(self, commands: str) -> tuple[Path, list[str]]:
        self._blocks += 1
        path = self._own / f"{self._blocks}.sh"
        state, place = self._own / "state", self._own / "place"
        path.write_text(
            f"[ ! -e {state} ] || . {state}\n"
            f"trap 'export -p > {state}; pwd > {place}' EXIT\nset -e\n{self.here(commands)}"
        )
        return path, ["bash", str(path)]

    def _place(self) -> Path:
        place = self._own / "place"
        return Path(place.read_text().strip()) if place.exists() else self.folder

    def _compare(self, block: Block) -> None:
        parts = [r"\s+".join(map(re.escape, part.split())) for part in self.here(block.text).split("…")]
        pattern = r".*?".join(rf"\s*{part}\s*" if part else "" for part in parts)
        assert re.search(pattern, self.output, re.DOTALL), f"The page says\n{block.text}\nand it was\n{self.output}"

    def _look_at(self, block: Block) -> None:
        assert len(block.marks["not run"]) > 10, f"line {block.line}: why it is not run is not said"
        if block.language == "bash":
            checked = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
            assert checked.returncode == 0, checked.stderr
            for line in block.text.replace("\\\n", " ").splitlines():
                if line.strip().startswith("wctl "):
                    read_wctl(shlex.split(line, comments=True)[1:])

    def _said(self) -> str:
        return "".join(f"\n--- server:\n{log.read_text(errors='replace')[-3000:]}" for _, log in self._servers)


def read_wctl(arguments: list[str]) -> None:
    """Raises click's UsageError when `wctl` would not take these arguments."""
    command: typer.core.TyperCommand | typer.core.TyperGroup = get_command(app)
    while hasattr(command, "commands"):
        assert arguments[:1] != [], "a command of wctl is left out"
        assert arguments[0] in command.commands, f"wctl has no command {arguments[0]}"
        command, arguments = command.commands[arguments[0]], arguments[1:]
    command.make_context("wctl", list(arguments))


def _listens(address: str) -> Callable[[], bool]:
    """Whether a connection is taken. Nothing is asked: what is recorded would have it as a step."""
    where = urlsplit(address)

    def connected() -> bool:
        try:
            socket.create_connection((where.hostname, where.port), timeout=5).close()
        except OSError:
            return False
        return True

    return connected
