"""The plugin inside a pytest of its own, as its users have it, against a running application."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from playback.pytest_plugin import Result
from tests.playback.reports import failed, passed
from tests.support import OTHERS_PLUGINS, ROOT, Server, clean_environ
from tests.wctl.conftest import ITEMS, add_profile

TESTS = """
import pytest

@pytest.mark.microservice
def test_snippet(profile_runner):
    result = profile_runner.run("tiny")
    result.expect_completed("home_again")
    result.expect_completed("items").expect_completed()
    assert result.report.result == "passed"

def test_options(profile_runner):
    profile_runner.run("wrong", keep_going=True).report.steps[2]
    profile_runner.run("tiny", base_url="http://127.0.0.1:1").report.error

def test_red_verdict(profile_runner):
    profile_runner.run("wrong").expect_completed()

def test_red_name(profile_runner):
    profile_runner.run("tiny").expect_completed("itms")

def test_red_forgotten(profile_runner):
    profile_runner.run("wrong")

def test_red_secret(profile_runner):
    profile_runner.run("locked")

def test_red_unknown(profile_runner):
    profile_runner.run("tinny")

def test_red_option(profile_runner):
    profile_runner.run("tiny", keepgoing=True)

def test_red_nobody(profile_runner):
    profile_runner.run("tiny", base_url="http://127.0.0.1:1").expect_completed()

def test_red_unwritable(profile_runner, tmp_path):
    profile_runner.run("stuck")

def test_other():
    pass
"""

LOCKED = """
metadata: {{slug: locked}}
steps:
  - {{id: home, method: POST, path: /login, form: [[password, "{{{{ secrets.PASSWORD }}}}"]]}}
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Server.uvicorn("tests.wctl.tiny_asgi:app") as server:
        yield server.url


def _pytest(folder: Path, *options: str, **environ: str) -> str:
    """Run TESTS over a profile that passes and one that does not; returns pytest's output."""
    add_profile(folder)
    add_profile(folder, "wrong", ITEMS.replace("hello", "goodbye"))
    add_profile(folder, "locked", LOCKED)
    add_profile(folder, "stuck")
    (folder / "profiles" / "results").mkdir(exist_ok=True)
    (folder / "profiles" / "results" / "stuck").touch()  # where a folder would have to be made
    (folder / "test_it.py").write_text(TESTS)
    env = {**clean_environ(), "PYTHONPATH": str(ROOT), "COLUMNS": "200", **environ}
    env.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--strict-markers", "-c", os.devnull]
    command += [*OTHERS_PLUGINS, "--rootdir", str(folder), *options, str(folder / "test_it.py")]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600).stdout


def test_a_red_profile_shows_its_summary_and_nothing_of_ours(url: str, tmp_path: Path) -> None:
    out = _pytest(tmp_path, "--profile-base-url", url, "--profile-data-root", str(tmp_path))
    assert re.search(r"8 failed, 3 passed in", out), out
    assert "FAILED at step home  wrong  1 step" in out
    assert "contains 'goodbye'" in out
    assert "profile tiny has no step or job called 'itms'; it has home, home_again, items" in out
    assert "There is no profile 'tinny'" in out
    assert "profile_runner.run takes no option 'keepgoing'; did you mean 'keep_going'?" in out
    assert "Nothing answers at http://127.0.0.1:1 " in out
    assert re.search(r"^/\S+/profiles/results/stuck: File exists\.$", out, re.M), out
    assert "ERROR at teardown" not in out
    locked = out.partition("_ test_red_secret _")[2].partition("\n")[2].partition("\n___")[0]
    assert re.fullmatch(r"The profile sends a secret .* set PROFILE_SECRET_PASSWORD .*", locked), locked
    assert "pytest_plugin.py" not in out
    assert "Traceback" not in out
    assert "::error" not in out


@pytest.mark.parametrize("options", [[], ["-n", "2"]])
def test_github_is_told_of_what_failed_whoever_ran_it(options: list[str], url: str, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    out = _pytest(
        tmp_path, *options,
        PROFILE_PLAYBACK_BASE_URL=url, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary), GITHUB_WORKSPACE=str(tmp_path),
    )  # fmt: skip
    lines = [line for line in out.splitlines() if line.startswith("::")]
    # Two tests fail over the wrong profile, one over the locked, one finds nobody; another looked at its failed replay.
    assert sorted(line.partition("::error ")[2].partition(",title")[0] for line in lines) == [
        "file=profiles/locked/profile.yaml,line=1",
        "file=profiles/tiny/profile.yaml,line=1",
        "file=profiles/wrong/profile.yaml,line=6",
        "file=profiles/wrong/profile.yaml,line=6",
    ]
    assert summary.read_text().count("### ❌ <code>wrong</code>: failed") == 2
    assert "### ✅ <code>tiny</code>: passed" in summary.read_text()


def test_they_are_chosen_by_marker_and_run_side_by_side(url: str, tmp_path: Path) -> None:
    out = _pytest(tmp_path, "-k", "profile and not red", "-n", "2", PROFILE_PLAYBACK_BASE_URL=url)
    assert "2 passed" in out, out
    assert len(list((tmp_path / "profiles" / "results" / "tiny").iterdir())) == 2


def test_junit_holds_the_summary_of_what_failed(url: str, tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    _pytest(tmp_path, "-k", "profile", "-n", "4", "--junitxml", str(junit), PROFILE_PLAYBACK_BASE_URL=url)
    (suite,) = ElementTree.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("10", "8", "0")  # all but test_other
    cases = {case.get("name"): case for case in suite}
    assert not list(cases["test_snippet"])
    (failure,) = cases["test_red_verdict"]
    assert str(failure.get("message")).startswith("Failed: FAILED at step home  wrong  1 step")
    assert "contains 'goodbye'" in str(failure.text)
    assert not [case.get("name") for case in suite for failure in case if "playback/" in str(failure.text)]


def test_markers_choose_and_are_listed(url: str, tmp_path: Path) -> None:
    out = _pytest(
        tmp_path / "chosen", "-m", "profile and not microservice", "-k", "not red", PROFILE_PLAYBACK_BASE_URL=url
    )
    assert "1 passed, 10 deselected" in out, out
    listed = _pytest(tmp_path / "listed", "--markers")
    assert "@pytest.mark.profile: replays a recorded profile" in listed
    assert "@pytest.mark.microservice: " in listed


def test_steps_and_jobs_are_known_by_name() -> None:
    for name in ("run-wepp", "RUN_WEPP", "open_run"):
        Result(passed()).expect_completed(name)
    report = passed()
    report.steps[1].id = "go"
    Result(report).expect_completed("run_wepp")
    with pytest.raises(pytest.fail.Exception, match="FAILED at step run-wepp"):
        Result(failed()).expect_completed("open_run")
    report.steps[1].jobs[0].status = "stopped"
    with pytest.raises(pytest.fail.Exception, match="run_wepp did not complete: stopped"):
        Result(report).expect_completed("run_wepp")
