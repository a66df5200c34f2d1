"""The sample profile kept true: nothing to calibrate on unchanged code, and a changed formula accepted as a whole."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from assembler.document import load_profile
from playback.calibrate import calibrate
from playback.diff_text import markdown
from playback.engine import Options, replay
from playback.update import replay_for_update
from tests.sample import broken_copy, settings, site_of_its_own
from tests.support import ROOT

SLUG = "watershed-small"


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    """A data root with a copy of the profile."""
    return shutil.copytree(ROOT / "profiles" / SLUG, tmp_path / "data" / "profiles" / SLUG).parents[1]


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_changed_formula_is_accepted(tmp_path: Path, data_root: Path) -> None:
    folder = data_root / "profiles" / SLUG
    before = tree(folder)
    with site_of_its_own(tmp_path, broken_copy(tmp_path)) as site:
        environ = settings(site, data_root)
        pending = replay_for_update(SLUG, data_root, Options(base_url=site.url), environ)
        assert {"get-weppcloud-3", "get-report-summary"} <= set(pending.steps)
        revision = pending.revision(pending.steps, pending.comparisons)
        assert tree(folder) == before
        revision.write()
        pending.close()
        again = replay(SLUG, data_root, Options(base_url=site.url), environ)
        assert again.result == "passed", again
    after = tree(folder)
    changed = {name for name in after if after[name] != before.get(name)}
    assert "profile.yaml" not in changed
    assert "baseline/run/watershed/slope.tif" not in changed
    assert {"baseline/answers/get-weppcloud-3.html", "manifest.json"} <= changed
    page, was = (t["baseline/answers/get-weppcloud-3.html"].decode().splitlines() for t in (after, before))
    rows = [(a, b) for a, b in zip(was, page, strict=True) if a != b]
    assert rows, "the page changed"
    toolbar = '<script src="/recorder/recorder.js"'  # which the site that is replayed does without
    assert all(re.search(r"\d", now) or toolbar in recorded for recorded, now in rows), "only figures changed"
    texts = b"".join(after[name] for name in changed)
    assert b"profile;;tmp;;" not in texts
    assert (load_profile(folder / "profile.yaml").metadata.recorded_with.run_id or "?").encode() in texts
    assert site.url.encode() not in texts
    for secret in environ.items():
        assert "PASSWORD" not in secret[0] or secret[1].encode() not in texts
    assert "**wepp/output/run/soil_loss.tif**" in markdown(revision.changes)


def test_nothing_is_to_be_calibrated(tmp_path: Path, data_root: Path) -> None:
    with site_of_its_own(tmp_path) as site:
        found = calibrate(SLUG, data_root, Options(base_url=site.url), settings(site, data_root))
    assert (found.exit_code, found.proposals, found.failures) == (0, [], [])
