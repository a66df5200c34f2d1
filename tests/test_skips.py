"""The closing lines of a run: what was left out is named, and in CI refused unless it is absent material."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT, clean_environ

CASES = """
import pytest
def test_green(): assert True
def test_material(): pytest.skip("absent: ../shared/data (kept outside the repository)")
"""
CAREFREE = CASES + """
@pytest.mark.skip(reason="later")
def test_later(): assert False
"""
WHOLE_MODULE = """
import pytest
pytest.importorskip("a_module_that_is_not_there")
"""


def run(folder: Path, tests: str, *options: str, ci: bool) -> tuple[int, str]:
    (folder / "test_some.py").write_text(tests)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.skips", "-c", "/dev/null", "--rootdir", str(folder)]
    env = {**clean_environ(), "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "CI": str(ci).lower()}
    finished = subprocess.run([*command, *options, str(folder)], env=env, capture_output=True, text=True, timeout=180)
    return finished.returncode, finished.stdout


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "1")], ids=["plain", "xdist"])
def test_absent_material_is_named_and_allowed(tmp_path: Path, options: tuple[str, ...]) -> None:
    status, output = run(tmp_path, CASES, *options, ci=True)
    assert status == 0, output
    assert "test_some.py::test_material: absent: ../shared/data" in output
    assert "refused" not in output


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "1")], ids=["plain", "xdist"])
def test_any_other_skip_fails_the_run_in_ci(tmp_path: Path, options: tuple[str, ...]) -> None:
    status, output = run(tmp_path, CAREFREE, *options, ci=True)
    assert status == 1, output
    assert "test_some.py::test_later: later  [refused: CI=true]" in output
    assert "1 skipped without 'absent:': the run fails" in output


def test_elsewhere_it_is_only_named(tmp_path: Path) -> None:
    status, output = run(tmp_path, CAREFREE, ci=False)
    assert status == 0, output
    assert "test_some.py::test_later: later" in output


def test_a_module_left_out_counts(tmp_path: Path) -> None:
    (tmp_path / "test_green.py").write_text("def test_green(): assert True\n")
    status, output = run(tmp_path, WHOLE_MODULE, ci=True)
    assert status == 1, output
    assert "a_module_that_is_not_there" in output
