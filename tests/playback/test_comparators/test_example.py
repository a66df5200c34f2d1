"""The comparator of docs/comparators.md, built and installed as any package is."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from playback.comparators import compare, methods, validate_params
from tests.support import ROOT, clean_environ

EXAMPLE = ROOT / "examples" / "comparator"
METHOD = "unordered_lines"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=EXAMPLE, check=True, capture_output=True, timeout=180)
    return next(folder.glob("unordered_lines-*.whl"))


@pytest.fixture
def site(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages: a wheel of plain modules is installed by being unpacked."""
    folder = tmp_path / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, METHOD, raising=False)
    yield folder
    sys.modules.pop(METHOD, None)


@pytest.mark.parametrize("name", ["pyproject.toml", "unordered_lines.py"])
def test_the_page_shows_what_lies_in_the_example(name: str) -> None:
    assert (EXAMPLE / name).read_text() in (ROOT / "docs" / "comparators.md").read_text()


def test_without_the_package_its_method_is_unknown() -> None:
    with pytest.raises(ValueError, match="There is no comparator 'unordered_lines'"):
        validate_params(METHOD, {})


def test_installed_it_is_used(site: Path, judge) -> None:
    assert METHOD in methods()
    assert judge(METHOD, "a\nb\n", "b\na\n").result == "passed"
    assert judge(METHOD, "a\nb\n", "B\na\n", ignore_case=True).result == "passed"
    outcome = judge(METHOD, "a\nb\nb\n", "b\na\n")
    assert (outcome.result, outcome.summary) == ("failed", "1 lines are missing, 0 are new.")
    assert outcome.details == ["- b"]
    assert judge(METHOD, "a\n", b"\xff").summary == "The actual file actual is not UTF-8 at byte 0."
    assert judge(METHOD, "a\n", "").summary == "The actual file actual is empty."


def test_its_params_are_checked(site: Path) -> None:
    with pytest.raises(ValueError, match=r"no param 'ignore_cse'; did you mean 'ignore_case'\?"):
        validate_params(METHOD, {"ignore_cse": True})


def test_profiles_may_name_it(site: Path, tmp_path: Path) -> None:
    """As a user sees it: a profile is validated by the command, in a process that finds the package or does not."""
    profile = tmp_path / "profiles" / "stations" / "profile.yaml"
    profile.parent.mkdir(parents=True)
    comparison = f"{{target: stations.txt, method: {METHOD}, params: {{ignore_case: true}}}}"
    profile.write_text(f"metadata: {{slug: stations}}\nsteps: [{{id: a, path: /}}]\ncomparisons: [{comparison}]\n")
    command = [sys.executable, "-c", "import wctl; wctl.main()", "validate", "stations", "--data-root", str(tmp_path)]

    def validated(*folders: Path) -> str:
        env = {**clean_environ(), "PYTHONPATH": ":".join(map(str, [*folders, ROOT]))}
        ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=180)
        return ran.stdout + ran.stderr

    assert "no comparator 'unordered_lines'" in " ".join(validated().split())
    assert "no comparator" not in " ".join(validated(site).split())


@pytest.mark.parametrize("fault", ["raise RuntimeError('out of paper')", "return None"])
def test_broken_it_is_a_failure_and_no_crash(site: Path, pair, fault: str) -> None:
    module = site / "unordered_lines.py"
    source = module.read_text()
    module.write_text(source.replace("    before, after =", f"    {fault}\n    before, after =", 1))
    expected, actual = pair("stations.txt")
    expected.write_text("a\n")
    actual.write_text("a\n")
    outcome = compare(METHOD, expected, actual, {})
    assert outcome.result == "failed"
    assert outcome.summary.startswith("unordered_lines broke on stations.txt: ")
    assert outcome.summary.endswith(".")
    assert "\n" not in outcome.summary
