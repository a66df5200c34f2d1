"""Runs are found by the path; hostile run ids lead nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.runs import Run, Runs
from recorder.settings import Settings

PATTERN = r"/runs/(?P<run_id>[^/]+)(?:/(?P<config>[^/]+))?"


@pytest.fixture
def runs() -> Runs:
    return Runs(
        Settings(run_pattern=PATTERN, run_root="/srv/runs/{run_id:.2}/{run_id}", clone_root=Path("/srv/clones"))
    )


def test_the_pattern_is_matched_on_the_decoded_path(runs: Runs) -> None:
    expected = Run("dry creek", "rusle-10m", Path("/srv/runs/dr/dry creek"))
    assert runs.of_path("/weppcloud/runs/dry%20creek/rusle-10m/view") == expected
    assert expected.context == {"run_id": "dry creek", "config": "rusle-10m"}
    assert runs.of_path("/login") is None


def test_a_composite_id_belongs_to_its_clone(runs: Runs) -> None:
    uuid = "0123456789abcdef0123456789abcdef"
    assert runs.of_path(f"/runs/profile;;tmp;;{uuid}/c/") == Run(
        f"profile;;tmp;;{uuid}", "c", Path("/srv/clones") / uuid
    )
    run = runs.of_path("/runs/profile%3B%3Btmp%3B%3B..%2F..%2Fetc/c")
    assert run is not None
    assert run.directory is None


@pytest.mark.parametrize(
    "run_id",
    ["..", ".", "../x", "a/../../b", "/etc", "a\0b", "a\nb", "a\\b", "..x", "x" * 300, "profile;;tmp;;../x", ""],
)
def test_hostile_ids_have_no_directory(runs: Runs, run_id: str) -> None:
    assert runs.directory(run_id) is None


@pytest.mark.parametrize("run_id", ["backed-globule", "a", ".hidden", "a;;b", "ünïcode", "a b"])
def test_usual_ids_lie_beneath_the_root(runs: Runs, run_id: str) -> None:
    assert runs.directory(run_id) == Path("/srv/runs") / run_id[:2] / run_id


def test_the_configuration_may_be_part_of_the_place() -> None:
    runs = Runs(Settings(run_pattern=PATTERN, run_root="/srv/{config}/{run_id}"))
    assert runs.directory("a", "b") == Path("/srv/b/a")
    assert runs.directory("a") is None
    assert runs.directory("a", "..") is None


def test_a_callable_may_do_it_all() -> None:
    run = Run("a", None, Path("/anywhere"))
    assert Runs(Settings(resolver=lambda path: run if path == "/é" else None)).of_path("/%C3%A9") == run
