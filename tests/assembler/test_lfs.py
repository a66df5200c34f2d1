"""Which paths Git LFS keeps: as gitattributes(5) says, and as git itself answers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assembler.lfs import is_pointer, tracks

LFS = "filter=lfs diff=lfs merge=lfs -text"
POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 123456\n"
)
FILE = "profiles/work/seed/run/dem.tif"


def tracked(root: Path, lines: str, name: str = FILE, file: str = ".gitattributes") -> bool:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines)
    return tracks(root / name, root)


@pytest.mark.parametrize(
    "pattern",
    [
        FILE, f"/{FILE}", "*.tif", "dem.*", "d?m.tif", "[cd]em.tif", "[!a]em.tif", "[[:lower:]]em.tif", "**/dem.tif", "**/*.tif",
        "profiles/**", "/profiles/**", "profiles/work/seed/**", "profiles/*/seed/**", "profiles/**/dem.tif", "profiles/**/run/*",
        "profiles/work/seed/run/*.tif", "profiles**/seed/**", '"profiles/work/seed/**"', "dem\\.tif", "*",
    ],
)  # fmt: skip
def test_patterns_that_match(tmp_path: Path, pattern: str) -> None:
    assert tracked(tmp_path, f"# large files\n\n{pattern} {LFS}\n")


@pytest.mark.parametrize(
    "pattern",
    [
        "profiles", "profiles/", "profiles/*", "profiles/work/seed", "profiles/work/seed/", "seed/**", "run/dem.tif", "/dem.tif",
        "profiles/*.tif", "*.tiff", "DEM.tif", "d?em.tif", "[a-c]em.tif", "[dem.tif", "!*.tif", "# *.tif", "profiles/work/seed/*",
        "profiles/work/other/**", "work**/seed/**", "p**s/seed/**",
    ],
)  # fmt: skip
def test_patterns_that_do_not(tmp_path: Path, pattern: str) -> None:
    assert not tracked(tmp_path, f"{pattern} {LFS}\n")


@pytest.mark.parametrize("later", ["-filter", "!filter", "filter", "filter=other", "filter=lfs-large", "text -filter"])
def test_a_later_line_overrides(tmp_path: Path, later: str) -> None:
    assert not tracked(tmp_path, f"*.tif {LFS}\nprofiles/**/dem.tif {later}\n")
    assert tracked(tmp_path, f"profiles/**/dem.tif {later}\n*.tif {LFS}\n")
    assert tracked(tmp_path, f"*.tif {LFS}\nprofiles/**/dem.tiff {later}\n")
    assert tracked(tmp_path, f"*.tif {LFS}\n*.tif text=auto diff=other\n")


def test_attributes_nearer_to_the_file_override(tmp_path: Path) -> None:
    assert tracked(tmp_path, f"*.tif {LFS}\n")
    assert not tracked(tmp_path, "*.tif -filter\n", file="profiles/work/.gitattributes")
    assert tracked(tmp_path, f"run/* {LFS}\n", file="profiles/work/seed/.gitattributes")
    assert not tracks(tmp_path / "profiles" / "work" / "baseline" / "a.tif", tmp_path)
    assert tracks(tmp_path / "profiles" / "other" / "a.tif", tmp_path)


def test_the_repositorys_own_attributes_come_last(tmp_path: Path) -> None:
    (tmp_path / ".git" / "info").mkdir(parents=True)
    (tmp_path / ".git" / "info" / "attributes").write_text("dem.tif -filter\n")
    assert not tracked(tmp_path, f"*.tif {LFS}\n")
    assert tracks(tmp_path / "profiles" / "other.tif", tmp_path)


def test_the_work_tree_may_be_larger_than_the_data_root(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    root = tmp_path / "tests" / "data"
    root.mkdir(parents=True)
    (tmp_path / ".gitattributes").write_text(f"tests/data/profiles/** {LFS}\n")
    assert tracks(root / FILE, root)
    assert not tracks(root / "other.tif", root)


def test_nothing_above_a_work_tree_counts(tmp_path: Path) -> None:
    root = tmp_path / "inner"
    (root / ".git").mkdir(parents=True)
    assert not tracked(tmp_path, f"* {LFS}\n", f"inner/{FILE}")
    assert tracked(root, f"* {LFS}\n")


def test_without_a_work_tree_nothing_above_the_data_root_counts(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (tmp_path / ".gitattributes").write_text(f"* {LFS}\n")
    assert not tracks(root / FILE, root)


def test_a_linked_work_tree_shares_the_repositorys_attributes(tmp_path: Path) -> None:
    common = tmp_path / "main" / ".git"
    (common / "info").mkdir(parents=True)
    (common / "info" / "attributes").write_text(f"*.tif {LFS}\n")
    own = common / "worktrees" / "second"
    own.mkdir(parents=True)
    (own / "commondir").write_text("../..\n")
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / ".git").write_text(f"gitdir: {own}\n")
    assert tracks(tmp_path / "second" / FILE, tmp_path / "second")


def test_macros(tmp_path: Path) -> None:
    macro = f"[attr]large {LFS}\n"
    assert tracked(tmp_path, f"{macro}*.tif large\n")
    assert not tracked(tmp_path, f"{macro}*.tif -large\n")
    assert not tracked(tmp_path, f"{macro}*.tif large\ndem.tif -large\n")
    assert not tracked(tmp_path, "[attr]loop loop\n*.tif loop\n")


def test_a_pointer_is_told_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "dem.tif"
    path.write_text(POINTER)
    assert is_pointer(path)
    for other in (POINTER[1:], "version https://git-lfs.github.com/spec/v2\n", "", POINTER + "x" * 1024):
        path.write_text(other)
        assert not is_pointer(path)
    assert not is_pointer(tmp_path / "none")


# ---------------------------------------------------------------------------------------------------- git

WORDS = ["*", "**", "***", "?", "/", "/", "**/", "/**", "a", "b.bin", "seed", "run", "[ab]", "[!a]", "[^b]", "[a-c]", "[c-a]", "[]a]"]
WORDS += ["[[:alpha:]]", "[[:none:]]", "[a", "\\*", "\\a", "\\[c\\]", "*.bin", "!", "é"]
ATTRIBUTES = ["filter=lfs", "-filter", "!filter", "filter", "filter=other", "text", LFS, "big", "-big", "!big", "binary"]
NAMES = ["a", "b.bin", "a.b", "seed", "run", "x y", "[c]", "é"]

patterns = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map("".join)
lines = st.tuples(patterns, st.booleans(), st.lists(st.sampled_from(ATTRIBUTES), min_size=1, max_size=2))
written = st.lists(lines, max_size=4)
names = st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join), min_size=1, max_size=8)


def as_line(line: tuple[str, bool, list[str]]) -> str:
    pattern, quoted, attributes = line
    escaped = pattern.replace("\\", "\\\\")
    return " ".join([f'"{escaped}"' if quoted else pattern, *attributes])


@pytest.mark.skipif(shutil.which("git") is None, reason="absent: git")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(written, written, written, names)
@example([("profiles**", False, ["filter=lfs"])], [], [], ["a/a"])
@example([], [], [("[a[c-a]", False, ["filter=lfs"])], ["a"])
def test_git_says_the_same(
    tmp_path: Path, above: list[tuple[str, bool, list[str]]], inside: list[tuple[str, bool, list[str]]],
    own: list[tuple[str, bool, list[str]]], names: list[str],
) -> None:  # fmt: skip
    if not (tmp_path / ".git").exists():
        subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    places = {".gitattributes": above, "seed/.gitattributes": inside, ".git/info/attributes": own}
    for file, rows in places.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("\n".join(["[attr]big filter=lfs -text", *map(as_line, rows)]) + "\n")
    names = [*names, *(f"seed/{name}" for name in names)]
    command = ["git", "-c", "core.attributesFile=/dev/null", "check-attr", "-z", "filter", "--stdin"]
    asked = subprocess.run(command, cwd=tmp_path, input="\0".join(names), capture_output=True, text=True, check=True)
    rows = asked.stdout.split("\0")
    said = dict(zip(rows[::3], rows[2::3], strict=False))
    assert {name: tracks(tmp_path / name, tmp_path) for name in names} == {name: said[name] == "lfs" for name in names}
