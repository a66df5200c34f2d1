"""The profile that comes with the repository, replayed: it passes, it waits, it compares, and it keeps its hands off."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rasterio

from assembler.document import load_profile
from assembler.storage import digest
from playback.engine import Options, replay
from playback.pytest_plugin import ProfileRunner
from playback.report import Report
from tests.examples.watershed_site import Site
from tests.sample import broken_copy, settings, site_of_its_own, state_of
from tests.support import ROOT

SLUG = "watershed-small"
PROFILE = ROOT / "profiles" / SLUG
OUTPUT = "wepp/output/run"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_of_its_own(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """A copy of the profile, in a data root of its own."""
    return shutil.copytree(PROFILE, tmp_path / "data" / "profiles" / SLUG)


@pytest.fixture(autouse=True)
def replayed_at_the_site(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `profile_runner` reads from the environment, for tests that use it; it must be there before."""
    if "profile_runner" in request.fixturenames:
        site, profile = request.getfixturevalue("site"), request.getfixturevalue("profile")
        for name, value in settings(site, profile.parents[1]).items():
            monkeypatch.setenv(name, value)


def replayed(site: Site, profile: Path, **options: Any) -> Report:
    environ = settings(site, profile.parents[1])
    return replay(SLUG, profile.parents[1], Options(base_url=site.url, **options), environ)


def test_it_passes(profile_runner: ProfileRunner) -> None:
    result = profile_runner.run(SLUG).expect_completed("post-api-run-wepp").expect_completed("finalize")
    assert result.report.masked.share < 0.02


def test_it_touches_neither_the_recorded_run_nor_the_profile(
    profile_runner: ProfileRunner, site: Site, profile: Path
) -> None:
    recorded = load_profile(profile / "profile.yaml").metadata.recorded_with.run_id
    assert recorded
    run = site.run_root / recorded[:2] / recorded
    shutil.copytree(profile / "seed" / "run", run)
    before = state_of(run), state_of(profile)
    profile_runner.run(SLUG).expect_completed()
    assert (state_of(run), state_of(profile)) == before
    shutil.rmtree(run)


def test_it_fails_where_the_application_is_broken(tmp_path: Path, profile: Path) -> None:
    with site_of_its_own(tmp_path, broken_copy(tmp_path)) as broken:
        report = replayed(broken, profile, keep_going=True)
    assert report.result == "failed"
    assert report.failing_step == "get-weppcloud-3"
    differ = {comparison.target for comparison in report.comparisons if comparison.result == "failed"}
    assert {f"{OUTPUT}/soil_loss.tif", f"{OUTPUT}/summary.json", f"{OUTPUT}/hillslopes.csv"} <= differ
    assert "watershed/slope.tif" not in differ


def test_it_waits_for_the_jobs(tmp_path: Path, profile: Path) -> None:
    """The worker is killed as the wait begins; nothing that follows may then be asked for."""
    document = profile / "profile.yaml"
    job = r'(\n +)(job: "{{ steps\.post-api-run-wepp\.job_id }}")'
    text, found = re.subn(job, r"\1\2\1timeout: 2", document.read_text(), count=1)
    assert found
    document.write_text(text)
    with site_of_its_own(tmp_path) as site:

        def kill(event: dict[str, Any]) -> None:
            if event["event"] == "wait_started":
                os.killpg(site.worker.pid, signal.SIGKILL)

        environ = settings(site, profile.parents[1])
        report = replay(SLUG, profile.parents[1], Options(base_url=site.url), environ, kill)
    assert report.result == "failed"
    assert report.failing_step == "post-api-run-wepp"
    (step,) = [step for step in report.steps if step.id == report.failing_step]
    assert step.mismatches[0].where == "jobs"
    assert step.wait_ms >= 1900
    assert {later.result for later in report.steps[report.steps.index(step) + 1 :]} == {"skipped"}


def one_cell(path: Path) -> None:
    with rasterio.open(path, "r+") as raster:
        values = raster.read(1)
        values[60, 60] += 50
        raster.write(values, 1)


def one_figure(path: Path) -> None:
    """The last number of the file, by one in its last digit."""
    text = path.read_text()
    last = list(re.finditer(r"\d", text))[-1]
    path.write_text(text[: last.start()] + str((int(last[0]) + 1) % 10) + text[last.end() :])


@pytest.mark.parametrize(
    ("target", "change"),
    [
        (f"{OUTPUT}/soil_loss.tif", one_cell),
        ("watershed/ls_factor.tif", one_cell),
        (f"{OUTPUT}/hillslopes.csv", one_figure),
        (f"{OUTPUT}/summary.json", one_figure),
        ("wepp/runs/inputs.json", one_figure),
    ],
)
def test_it_compares_files(site: Site, profile: Path, target: str, change: Callable[[Path], None]) -> None:
    change(profile / "baseline" / "run" / target)
    report = replayed(site, profile)
    assert report.result == "failed"
    assert [each.target for each in report.comparisons if each.result != "passed"] == [target]


def test_it_compares_answers(site: Site, profile: Path) -> None:
    path = profile / "baseline" / "answers" / "get-report-summary.json"
    document = json.loads(path.read_bytes())
    document["soil_loss"]["mean_t_ha_yr"] += 0.01
    path.write_text(json.dumps(document))
    report = replayed(site, profile)
    assert (report.result, report.failing_step) == ("failed", "get-report-summary")
    assert [mismatch.where for mismatch in report.steps[-2].mismatches] == ["body:/soil_loss/mean_t_ha_yr"]


def test_it_compares_statuses(site: Site, profile: Path) -> None:
    path = profile / "profile.yaml"
    head, mark, tail = path.read_text().partition("  - id: post-tasks-set-climate\n")
    assert mark
    path.write_text(head + mark + tail.replace("      status: 200\n", "      status: 201\n", 1))
    report = replayed(site, profile)
    assert (report.result, report.failing_step) == ("failed", "post-tasks-set-climate")
    (step,) = [step for step in report.steps if step.id == report.failing_step]
    assert [(each.where, each.expected, each.actual) for each in step.mismatches] == [("status", 201, 200)]


def test_it_holds_neither_secrets_nor_paths_of_a_machine() -> None:
    ours = re.compile(rb"watershed-development|/tmp/|/home/|/root/|/Users/|pte-demo")
    assert [path.name for path, content in files(PROFILE) if ours.search(content)] == []
    assert sum(len(content) for _, content in files(PROFILE)) < 1_500_000


def test_its_manifest_is_of_what_is_there() -> None:
    manifest = json.loads((PROFILE / "manifest.json").read_bytes())
    found = {path.relative_to(PROFILE).as_posix(): digest(content) for path, content in files(PROFILE)}
    del found["manifest.json"]
    assert manifest == {"v": 1, "files": found}


def files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    yield from ((path, path.read_bytes()) for path in folder.rglob("*") if path.is_file())
