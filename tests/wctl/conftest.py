"""What the tests of `wctl` share: the tiny application, profiles of it, and a way to run a command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import ROOT, Server, clean_environ
from wctl.cli import run

ITEMS = """
metadata:
  slug: {slug}
  tags: [{tags}]
steps:
  - id: home
    path: /
    expect: {{status: 200, media_type: text/plain, contains: hello}}
  - id: items
    path: /items
    expect: {{status: 200, media_type: application/json, body: bodies/items.json}}
  - id: home-again
    path: /
    expect: {{status: 200, media_type: text/plain}}
"""


def add_profile(data_root: Path, slug: str = "tiny", text: str = ITEMS, tags: str = "") -> Path:
    """Put a promoted profile of the tiny application below `data_root`."""
    folder = data_root / "profiles" / slug
    (folder / "bodies").mkdir(parents=True)
    (folder / "bodies" / "items.json").write_text('{"total": 3}')
    (folder / "profile.yaml").write_text(text.format(slug=slug, tags=tags))
    return folder


@dataclass
class Ran:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


class Wctl:
    """Runs commands in this process, in the directory `folder`, with an environment of their own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder, self.monkeypatch, self.capfd = folder, monkeypatch, capfd
        monkeypatch.chdir(folder)
        monkeypatch.setenv("COLUMNS", "200")

    def __call__(self, *arguments: str, **environ: str) -> Ran:
        for name, value in environ.items():
            self.monkeypatch.setenv(name, value)
        self.capfd.readouterr()
        code = run(list(arguments))
        out, err = self.capfd.readouterr()
        assert "Traceback" not in out + err
        return Ran(code, out, err)

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Run a command as a program of its own, for those that last."""
        command = [sys.executable, "-c", "import wctl; wctl.main()", *arguments]
        env: Mapping[str, str] = {**clean_environ(), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environ}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=env, stdout=pipe, stderr=pipe, text=True)


@pytest.fixture
def wctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Wctl:
    return Wctl(tmp_path, monkeypatch, capfd)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the tiny application as it was recorded."""
    gate = tmp_path_factory.mktemp("tiny") / "gate"
    with Server.uvicorn("tests.wctl.tiny_asgi:app", env={"TINY_GATE": str(gate)}) as server:
        os.environ.pop("TINY_GATE", None)
        yield server.url


@pytest.fixture(scope="session")
def wrong() -> Iterator[str]:
    """URL of the tiny application with a wrong total."""
    with Server.uvicorn("tests.wctl.tiny_asgi:app", env={"MUTANT": "1"}) as server:
        yield server.url


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """URL and data root of a playback service."""
    root = tmp_path_factory.mktemp("served")
    command = [sys.executable, "-m", "playback.service", "--port", "{port}"]
    with Server(command, path="/health", env={"PROFILE_DATA_ROOT": str(root)}) as server:
        yield server.url, root


@pytest.fixture(params=["in process", "through the service"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data root. Tests that use it run twice: the answer must not depend on where the engine is."""
    chosen = tmp_path
    if request.param != "in process":
        url, chosen = request.getfixturevalue("service")
        shutil.rmtree(chosen / "profiles", ignore_errors=True)
        monkeypatch.setenv("PROFILE_PLAYBACK_URL", url)
    monkeypatch.setenv("PROFILE_DATA_ROOT", str(chosen))
    return Path(chosen)
