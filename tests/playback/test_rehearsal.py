"""A draft replayed before it is promoted: the same rules are proposed as for the profile, and nothing is left behind."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from playback.engine import Options
from playback.errors import TargetRefused
from playback.rehearsal import rehearse
from tests.playback.site import Site
from tests.playback.test_calibrate import shop, site

__all__ = ["site"]


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    """The shop as a draft; there is no profile of that name."""
    folder = tmp_path / "profiles/_drafts/shop"
    folder.parent.mkdir(parents=True)
    shutil.move(shop(tmp_path), folder)
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_draft_is_calibrated_and_stays_as_it_is(tmp_path: Path, draft: Path, site: Site) -> None:
    before, told = tree(tmp_path), []
    found = rehearse("shop", tmp_path, Options(site.url), {}, lambda event: told.append(event["event"]))
    assert sorted((p.step, p.where) for p in found.proposals) == [
        ("page", "body:text 2"), ("total", "body:/load[1]"), ("total", "body:/sample"),
    ]  # fmt: skip
    assert told.count("run_started") == 2
    assert told.count("step_finished") == 4
    assert tree(tmp_path) == before, "no result, no copy, no workspace"


def test_what_cannot_be_rehearsed(tmp_path: Path, draft: Path, site: Site) -> None:
    with pytest.raises(LookupError, match="did you mean 'shop'"):
        rehearse("shep", tmp_path, Options(site.url), {})
    with pytest.raises(TargetRefused):
        rehearse("shop", tmp_path, Options("http://192.0.2.1"), {})
    stop = threading.Event()
    stop.set()
    found = rehearse("shop", tmp_path, Options(site.url), {}, cancelled=stop)
    assert found.exit_code == 2
    assert [path.name for path in draft.parent.iterdir()] == ["shop"]
