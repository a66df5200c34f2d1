"""A writer killed at any moment: a draft is whole or absent, and made again it is as if nothing had happened."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from assembler.storage import digest, replace_tree
from tests.assembler.deployment import SLUG, Deployment, contents, status_of

WRITES = {
    "open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "shutil.copyfile", "shutil.rmtree", "ctypes.dlsym",
}  # fmt: skip
"""Audit events (PEP 578) of steps on the file system; the last one precedes the swap of two folders."""


def killed(work: Callable[[], object], moment: int) -> bool:
    """Run `work` in a child that dies of SIGKILL before its `moment`-th step on the file system. False: it came to its end."""
    child = os.fork()
    if child == 0:
        left = moment

        def count(event: str, _: tuple[object, ...]) -> None:
            nonlocal left
            if event in WRITES:
                left -= 1
                if left <= 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def whole(draft: Path) -> None:
    """The draft says it is ready, and every file is what its manifest says."""
    assert status_of(draft)["state"] == "ready"
    files = orjson.loads((draft / "manifest.json").read_bytes())["files"]
    assert {name: digest(draft / name) for name in files} == files
    assert {"profile.yaml", "README.md", "events.jsonl", "baseline/run/out.csv", "seed/run/active.cfg"} <= files.keys()


@pytest.fixture
def site(tmp_path: Path) -> Deployment:
    site = Deployment(tmp_path)
    site.run("dry-creek", {"active.cfg": "a"})
    for number in range(2):
        capture = site.start()
        site.send("GET", f"/runs/dry-creek/active/{'ab'[number]}", "<h1>Dry Creek</h1>")
        site.run("dry-creek", {"out.csv": "a,b\n1,2\n"})
        site.end(capture)
        if number == 0:
            site.assemble()
    return site


@pytest.mark.parametrize("before", ["nothing", "the draft itself", "the draft of another capture"])
def test_a_draft_is_whole_or_absent_whenever_its_writer_is_killed(site: Deployment, before: str) -> None:
    drafts = site.data_root / "profiles" / "_drafts"
    first = contents(drafts / SLUG)
    if before == "nothing":
        site.folder.joinpath("data").rename(site.folder / "elsewhere")
        undisturbed = contents(site.assemble().directory)
        site.folder.joinpath("data").rename(site.folder / "undisturbed")
    else:
        undisturbed = contents(site.assemble().directory)
    if before == "the draft of another capture":
        (drafts / SLUG).rename(drafts / "later")
        (drafts / ".previous" / SLUG).rename(drafts / "former")
    moment, step = 1, 1
    while True:
        if before == "the draft of another capture" and not (drafts / SLUG).exists():
            replace_tree(
                drafts / SLUG,
                {**first, "status.json": (next((drafts / "former").iterdir()) / "status.json").read_bytes()},
            )
        if not killed(site.assemble, moment):
            break
        if (drafts / SLUG).exists():
            whole(drafts / SLUG)
            found = contents(drafts / SLUG)
            assert found == undisturbed or (before == "the draft of another capture" and found == first)
        elif before == "the draft itself":
            raise AssertionError("The old draft went before the new one came.")
        moment, step = moment + step, step + 1 if moment > 20 else 1
    assert moment > 20
    assert contents(site.assemble().directory) == undisturbed
    assert contents(drafts / SLUG) == undisturbed


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", ".."])
def test_no_name_of_a_file_leads_out_of_a_folder_that_is_replaced(tmp_path: Path, name: str) -> None:
    target = tmp_path / "deep" / "draft"
    replace_tree(target, {"a": b"old"})
    with pytest.raises(ValueError, match="would leave"):
        replace_tree(target, {"a": b"new", name: b"x"})
    assert [p.relative_to(tmp_path).as_posix() for p in sorted(tmp_path.rglob("*"))] == [
        "deep",
        "deep/draft",
        "deep/draft/a",
    ]
    assert (target / "a").read_bytes() == b"old"


def test_what_killed_writers_left_is_swept_when_it_is_old(tmp_path: Path) -> None:
    old, young = tmp_path / ".draft.abc", tmp_path / ".draft.def"
    for left in (old, young, tmp_path / ".other.abc"):
        (left / "baseline").mkdir(parents=True)
    for left in (old, tmp_path / ".other.abc"):
        os.utime(left, (0, 0))
    replace_tree(tmp_path / "draft", {"a/b": b"new"})
    assert sorted(p.name for p in tmp_path.iterdir()) == [".draft.def", ".other.abc", "draft"]


def test_where_two_folders_cannot_be_swapped_one_follows_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assembler.storage._swap", lambda one, other: False)
    for content in (b"old", b"new"):
        replace_tree(tmp_path / "draft", {"a": content})
        assert contents(tmp_path) == {"draft/a": content}
