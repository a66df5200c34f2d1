"""The plugin inside a pytest of its own, as its users have it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.playback.serving import promote
from tests.support import ROOT, clean_environ

CONFTEST = """
import pytest
from playback import engine
from tests.playback.reports import failed, passed
from tests.playback.serving import FakeEngine

@pytest.fixture
def fake(monkeypatch):
    fake = FakeEngine()
    monkeypatch.setattr(engine, "replay", fake)
    return fake
"""

TESTS = """
import pytest
from playback.errors import UnknownProfile
from tests.playback.reports import failed, passed

@pytest.mark.microservice
def test_snippet(fake, profile_runner):
    result = profile_runner.run("us-small")
    result.expect_completed("run_wepp")
    result.expect_completed("run-wepp").expect_completed("open_run").expect_completed()
    assert result.report.result == "passed"

def test_options(fake, profile_runner, tmp_path):
    profile_runner.run("us-small", keep_going=True, timeout=3).expect_completed()
    slug, options, environ = fake.calls[0]
    assert (options.base_url, options.keep_going, options.timeout) == ("http://127.0.0.1:5000", True, 3)
    profile_runner.run("us-small", base_url="http://127.0.0.1:1").expect_completed()
    assert fake.calls[1][1].base_url == "http://127.0.0.1:1"

def test_red_verdict(fake, profile_runner):
    fake.report = failed()
    profile_runner.run("us-small").expect_completed("run_wepp")

def test_red_name(fake, profile_runner):
    profile_runner.run("us-small").expect_completed("run_weep")

def test_red_forgotten(fake, profile_runner):
    fake.report = failed()
    profile_runner.run("us-small")

def test_red_unknown(fake, profile_runner):
    fake.error = UnknownProfile("There is no profile 'us-smal'; did you mean 'us-small'?")
    profile_runner.run("us-smal")

def test_other():
    pass
"""


def _pytest(folder: Path, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(TESTS)
    env = {**clean_environ(), "PYTHONPATH": str(ROOT), "COLUMNS": "200", **environ}
    env.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--strict-markers", "-c", os.devnull]
    command += ["--rootdir", str(folder), *options, str(folder)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)


def test_a_red_profile_shows_its_summary_and_nothing_of_ours(tmp_path: Path) -> None:
    ran = _pytest(
        tmp_path, "--profile-base-url", "http://127.0.0.1:5000", "--profile-data-root", str(tmp_path / "data")
    )
    assert re.search(r"3 failed, 4 passed, 1 error in", ran.stdout), ran.stdout
    assert "FAILED at step run-wepp  us-small  2 steps, 1 file, 12.4 s" in ran.stdout
    assert "ZeroDivisionError: division by zero" in ran.stdout
    assert "profile us-small has no step or job called 'run_weep'; it has open_run, run_wepp" in ran.stdout
    assert "There is no profile 'us-smal'; did you mean 'us-small'?" in ran.stdout
    assert "ERROR at teardown of test_red_forgotten" in ran.stdout
    assert "pytest_plugin.py" not in ran.stdout
    assert (tmp_path / "data" / "profiles" / "results" / "us-small").is_dir()


def test_they_are_chosen_by_marker_and_run_side_by_side(tmp_path: Path) -> None:
    options = ["-k", "profile and not red", "-n", "2", "-q"]
    ran = _pytest(
        tmp_path, *options, PROFILE_PLAYBACK_BASE_URL="http://127.0.0.1:5000", PROFILE_DATA_ROOT=str(tmp_path)
    )
    assert "2 passed" in ran.stdout, ran.stdout
    assert len(list((tmp_path / "profiles" / "results" / "us-small").iterdir())) == 3
    listed = _pytest(tmp_path, "-m", "microservice", "--collect-only", "-q")
    assert "test_it.py::test_snippet" in listed.stdout
    assert "test_options" not in listed.stdout


def test_the_data_root_is_the_root_of_the_tests_unless_said_otherwise(tmp_path: Path) -> None:
    promote(tmp_path, "us-small")
    ran = _pytest(tmp_path, "-k", "snippet", "-q")
    assert "1 passed" in ran.stdout
    assert (tmp_path / "profiles" / "results" / "us-small").is_dir()
