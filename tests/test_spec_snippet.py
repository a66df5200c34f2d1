"""The profile of the source document, as it stands there: it loads, runs, passes, and fails where something is broken."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assembler.document import load_profile
from playback.engine import Options, replay
from playback.report import Report
from tests.examples.watershed_site import Site, seed
from tests.sample import broken_copy, settings, site_of_its_own, state_of
from tests.snippet import SNIPPET
from tests.support import shared

SLUG = "us-small-watershed"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_of_its_own(tmp_path_factory.mktemp("site")) as site:
        yield site


def in_run(profile: Path) -> Path:
    return profile / "seed" / "run"


def bare(profile: Path) -> Path:
    return profile / "seed"


@pytest.fixture(params=[in_run, bare])
def data_root(request: pytest.FixtureRequest, tmp_path: Path, site: Site) -> Path:
    """The snippet below a data root: the two files of a seed, and the baseline of a first real run."""
    root = tmp_path / "data"
    profile = root / "profiles" / SLUG
    where: Callable[[Path], Path] = request.param
    where(profile).parent.mkdir(parents=True)
    seed(where(profile))
    (profile / "profile.yaml").write_text(SNIPPET)
    first = replayed(site, root, keep=True)
    assert {each.summary for each in first.comparisons} == {
        "the baseline holds no wepp/output/run/summary.json",
        "the baseline holds no wepp/output/run/soil_loss.tif",
    }
    assert first.run_dir
    shutil.copytree(Path(first.run_dir, "wepp/output"), profile / "baseline" / "wepp" / "output")
    return root


def replayed(site: Site, data_root: Path, **options: bool) -> Report:
    """Replayed below the application's own path, signed in as the administrator of the environment."""
    base_url = f"{site.url}/weppcloud"
    return replay(SLUG, data_root, Options(base_url=base_url, **options), settings(site, data_root))


def test_it_is_the_snippet_of_the_document() -> None:
    text = shared("spec/profile-test-engine.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert block == SNIPPET


def test_it_loads(tmp_path: Path) -> None:
    (tmp_path / "profile.yaml").write_text(SNIPPET)
    profile = load_profile(tmp_path / "profile.yaml")
    assert profile.metadata.slug == SLUG
    assert [step.id for step in profile.steps] == ["run-wepp"]
    assert profile.comparisons[1].params == {"tolerance": {"mean": 0.05, "max": 0.10}}


def test_it_passes_and_fails_where_the_application_is_broken(site: Site, data_root: Path, tmp_path: Path) -> None:
    before = state_of(data_root / "profiles" / SLUG)
    report = replayed(site, data_root)
    assert report.result == "passed", report.as_json()
    (step,) = report.steps
    assert {job.function: job.status for job in step.jobs} == {"tasks.run_wepp": "finished"}
    assert len(step.jobs[0].children) >= 1

    with site_of_its_own(tmp_path, broken_copy(tmp_path)) as broken:
        report = replayed(broken, data_root)
    assert (report.result, report.failing_step) == ("failed", None)
    assert [each.result for each in report.comparisons] == ["failed", "failed"]
    assert "mean" in report.comparisons[1].summary or "max" in report.comparisons[1].summary
    assert state_of(data_root / "profiles" / SLUG) == before


def test_it_cannot_be_judged_with_a_wrong_password(site: Site, data_root: Path) -> None:
    environ = settings(site, data_root) | {"ADMIN_PASSWORD": "guessed"}
    report = replay(SLUG, data_root, Options(base_url=f"{site.url}/weppcloud"), environ)
    assert report.result == "error"
    assert report.error
    assert "ADMIN_PASSWORD" in report.error
