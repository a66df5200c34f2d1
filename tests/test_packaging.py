"""The wheel: four packages with types and static files, the entry points, a base install of two dependencies."""

from __future__ import annotations

import configparser
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser

import pytest

from tests.source import PACKAGES, tracked
from tests.support import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built by the backend that pyproject.toml names, as pip would."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=180)
    (path,) = folder.glob("profile_test_engine-*-py3-none-any.whl")
    return zipfile.ZipFile(path)


def part(wheel: zipfile.ZipFile, name: str) -> str:
    (member,) = [member for member in wheel.namelist() if member.endswith(f".dist-info/{name}")]
    return wheel.read(member).decode()


@pytest.fixture
def metadata(wheel: zipfile.ZipFile) -> Message:
    return Parser().parsestr(part(wheel, "METADATA"))


def test_it_holds_the_four_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    roots = {name.partition("/")[0] for name in wheel.namelist() if ".dist-info/" not in name}
    assert roots == set(PACKAGES)


def test_every_file_of_the_packages_is_in_it(wheel: zipfile.ZipFile) -> None:
    """Static files, templates, schemas and py.typed as well as modules."""
    wanted = {path.relative_to(ROOT).as_posix() for path in tracked(*(f"{package}/*" for package in PACKAGES))}
    assert {f"{package}/py.typed" for package in PACKAGES} <= wanted
    assert wanted - set(wheel.namelist()) == set()


def test_the_entry_points(wheel: zipfile.ZipFile) -> None:
    points = configparser.ConfigParser()
    points.read_string(part(wheel, "entry_points.txt"))
    assert dict(points["console_scripts"]) == {"wctl": "wctl:main"}
    assert dict(points["pytest11"]) == {"profile_test_engine": "playback.pytest_plugin"}


def test_the_base_install_is_two_dependencies(metadata: Message) -> None:
    required = metadata.get_all("Requires-Dist", [])
    base = sorted(line.partition(">")[0].strip() for line in required if "extra ==" not in line)
    assert base == ["orjson", "wrapt"]


def test_the_extras(metadata: Message) -> None:
    assert {"embedded", "playback", "all", "test"} <= set(metadata.get_all("Provides-Extra", []))


def test_it_says_what_it_is(metadata: Message) -> None:
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Description-Content-Type"] == "text/markdown"
