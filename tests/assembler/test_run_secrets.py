"""A secret of the recording that the application keeps in a file of the run: the draft holds its pseudonym."""

from __future__ import annotations

import json
import shutil
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assembler.document import load_profile
from assembler.promote import promote
from playback.engine import Options, replay
from tests.assembler.deployment import SLUG, Deployment, everything
from tests.playback.site import PAGE, Answer, Site

KEY = "Zx1kQw9v/J3mTtWb+8sdKx27q"
LIVE = "b8sdKxZx1/kQw9vJ3mTtW+27r"
RUN = "/runs/dry-creek/active"


def kept(site: Deployment, name: str, content: str) -> None:
    """A run to which a key is sent, and which has it in a file when its work is done."""
    run = site.run("dry-creek", {"active.cfg": "[run]\n"})
    capture = site.start()
    site.send("GET", f"{RUN}/")
    site.form(f"{RUN}/key", f"api_key={KEY.replace('/', '%2F').replace('+', '%2B')}", "saved")
    (run / name).write_text(content)
    site.end(capture)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("remote.json", lambda key: json.dumps({"remote": {"key": key}, "tries": 3})),
        ("remote.txt", lambda key: f"key {key}\n"),
        ("remote.csv", lambda key: f"name,key\nfirst,{key}\n"),
        ("header.txt", lambda key: f"Authorization: Basic {b64encode(f'ada:{key}'.encode()).decode()}\n"),
    ],
)
def test_an_output_is_kept_and_compared_with_the_pseudonym_in_it(
    tmp_path: Path, name: str, written: Callable[[str], str]
) -> None:
    site = Deployment(tmp_path)
    kept(site, name, written(KEY))
    status = site.assemble()
    assert (status.problems, KEY in everything(status.directory)) == ((), False)
    assert b64encode(f"ada:{KEY}".encode()).decode()[8:-4] not in everything(status.directory)
    profile = load_profile(status.directory / "profile.yaml")
    assert [(c.target, c.method) for c in profile.comparisons] == [(name, "mapped")]
    promote(SLUG, site.data_root)

    assert replayed(site, name, written(LIVE)) == "passed"
    assert replayed(site, name, written(LIVE) + "more\n") == "failed"


def replayed(site: Deployment, name: str, content: str) -> str:
    """The verdict where the application leaves `content` in the file."""

    def save(sent: str) -> Answer:
        (folder,) = [path for path in (site.data_root / "playback_runs").iterdir() if path.name[:1] != "."]
        (folder / name).write_text(content)
        return Answer("saved", PAGE)

    with Site({}) as running:
        running.routes = Routes(save)
        report = replay(SLUG, site.data_root, Options(running.url), {"PROFILE_SECRET_API_KEY": LIVE})
    if report.run_dir is not None:
        shutil.rmtree(report.run_dir, ignore_errors=True)
    return report.result


class Routes(dict[str, Callable[[str], Answer]]):
    """What the run's pages answer, whatever the run is called."""

    def __init__(self, save: Callable[[str], Answer]) -> None:
        super().__init__(key=save)

    def get(self, path: str, default: Any = None) -> Any:
        return super().get(path.rpartition("/")[2], lambda sent: Answer("", PAGE))


def test_a_seed_that_holds_one_is_a_problem(tmp_path: Path) -> None:
    site = Deployment(tmp_path)
    run = site.run("dry-creek", {"active.cfg": f"[remote]\nkey = {KEY}\n"})
    capture = site.start()
    site.form(f"{RUN}/key", f"api_key={KEY.replace('/', '%2F').replace('+', '%2B')}", "saved")
    site.end(capture)
    status = site.assemble()
    assert len(status.problems) == 1
    assert "seed/run/active.cfg holds a secret" in status.problems[0]
    assert KEY not in everything(status.directory)
    assert KEY in (run / "active.cfg").read_text(), "what is the application's own is left alone"
