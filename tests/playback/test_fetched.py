"""A repository whose large files were not fetched is told from one that is broken, before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from playback.engine import Options, replay
from playback.errors import BadProfile
from playback.validation import problems
from tests.playback.site import Answer, Site, computes, run_profile

POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 123456\n"
)


@pytest.mark.parametrize("name", ["seed/run/main.cfg", "seed/run/deep/dem.tif", "baseline/run/out/table.csv"])
def test_a_pointer_is_no_seed_and_no_baseline(tmp_path: Path, name: str) -> None:
    path = run_profile(tmp_path) / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(POINTER)
    sentence = f"{path} is only Git LFS's pointer to its content; run `git lfs pull`."
    assert problems(tmp_path / "profiles" / "shop" / "profile.yaml")[1] == [sentence]
    with Site({"/compute": lambda sent: Answer("sent", status=500)}) as site, pytest.raises(BadProfile) as caught:
        replay("shop", tmp_path, Options(site.url), {})
    assert str(caught.value) == sentence


def test_a_pointer_is_no_answer(tmp_path: Path) -> None:
    folder = run_profile(tmp_path)
    (folder / "baseline/answers/compute.json").write_text(POINTER)
    (sentence,) = problems(folder / "profile.yaml")[1]
    assert sentence == (
        "Step compute needs baseline/answers/compute.json, which is only Git LFS's pointer to its content; run `git lfs pull`."
    )


@pytest.mark.parametrize("kind", ["seed_dir", "baseline_dir"])
def test_what_an_overlay_brings_is_looked_at_too(tmp_path: Path, kind: str) -> None:
    folder = run_profile(tmp_path)
    name = {"seed_dir": "run/main.cfg", "baseline_dir": "run/out/table.csv"}[kind]
    (folder / "lab" / name).parent.mkdir(parents=True)
    (folder / "lab" / name).write_text(POINTER)
    document = folder / "profile.yaml"
    document.write_text(document.read_text() + f"overlays:\n  lab: {{{kind}: profiles/shop/lab}}\n")
    with Site({"/compute": computes(tmp_path)}) as site:
        assert replay("shop", tmp_path, Options(site.url), {}).result == "passed"
        with pytest.raises(
            BadProfile, match=r"lab/run/\S+ is only Git LFS's pointer to its content; run `git lfs pull`"
        ):
            replay("shop", tmp_path, Options(site.url, overlay="lab"), {})


def test_files_that_speak_of_pointers_are_none(tmp_path: Path) -> None:
    folder = run_profile(tmp_path)
    (folder / "seed/run/notes.txt").write_text("How a pointer begins:\n" + POINTER)
    (folder / "seed/run/large.txt").write_text(POINTER + "x" * 2000)
    assert problems(folder / "profile.yaml")[1] == []
