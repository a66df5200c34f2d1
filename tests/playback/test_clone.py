"""A clone is whole or not there, and its source is never written."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import threading
from pathlib import Path

import pytest

from playback import clone as module
from playback.clone import CloneSummary, clone, tree_hash
from playback.errors import BadProfile, Unjudgeable
from playback.trash import discard, empty_trash


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    """A small run directory with what a real one has: nested files, an empty folder, a lock, logs."""
    seed = tmp_path / "seed" / "run"
    (seed / "wepp" / "output").mkdir(parents=True)
    (seed / "empty").mkdir()
    (seed / "_logs").mkdir()
    (seed / "_logs" / "profile.events.jsonl").write_text("{}\n")
    (seed / "rusle-10m.cfg").write_text("[general]\n")
    (seed / "run.lock").write_text("1234")
    (seed / "wepp" / "output" / "soil_loss.tif").write_bytes(os.urandom(3_000_000))
    (seed / "wepp" / "_logs").mkdir()
    (seed / "wepp" / "_logs" / "kept.txt").write_text("not at the top: the application's own")
    (seed / "wepp" / "run.sh").write_text("#!/bin/sh\n")
    (seed / "wepp" / "run.sh").chmod(0o755)
    (seed / "wepp" / "run.sh").touch()
    return seed


def _looks(tree: Path) -> dict[str, tuple[int, int, int]]:
    """Mode, size and mtime of everything below, so that a touched file shows."""
    return {
        str(path.relative_to(tree)): (path.lstat().st_mode, path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in [tree, *tree.rglob("*")]
    }


def _nothing_left(root: Path) -> bool:
    return not root.exists() or list(root.iterdir()) == []


def test_everything_but_the_logs_arrives_and_the_source_stays(seed: Path, tmp_path: Path) -> None:
    before, looks = tree_hash(seed), _looks(seed)
    target = tmp_path / "playback_runs" / "0123"
    summary = clone(seed, target)
    assert summary == CloneSummary(files=5, bytes=sum(p.stat().st_size for p in target.rglob("*") if p.is_file()))
    assert tree_hash(target) == before == tree_hash(seed)
    assert _looks(seed) == looks
    assert not (target / "_logs").exists()
    assert (target / "wepp" / "_logs" / "kept.txt").exists()
    assert (target / "empty").is_dir()
    assert (target / "wepp" / "run.sh").stat().st_mode & 0o777 == 0o755
    assert _looks(target)["wepp/run.sh"] == looks["wepp/run.sh"]
    assert _looks(target)["wepp"] == looks["wepp"]
    assert [path.name for path in target.parent.iterdir()] == ["0123"]


def test_an_empty_directory_may_be_there_already(seed: Path, tmp_path: Path) -> None:
    target = tmp_path / "workspace"
    target.mkdir()
    clone(seed, target)
    assert tree_hash(target) == tree_hash(seed)


def test_a_clone_never_writes_over_anything(seed: Path, tmp_path: Path) -> None:
    target = tmp_path / "workspace"
    target.mkdir()
    (target / "precious").write_text("mine")
    with pytest.raises(Unjudgeable, match="not empty"):
        clone(seed, target)
    assert [path.name for path in target.iterdir()] == ["precious"]


def test_a_workspace_inside_the_seed_is_refused(seed: Path) -> None:
    with pytest.raises(BadProfile, match="lies inside the seed"):
        clone(seed, seed / "playback_runs" / "x")
    assert not (seed / "playback_runs").exists()


def test_a_missing_seed_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadProfile, match="seed/run is missing"):
        clone(tmp_path / "seed" / "run", tmp_path / "workspace")


@pytest.mark.parametrize("odd", ["link", "fifo", "socket"])
def test_links_pipes_and_sockets_are_refused(odd: str, seed: Path, tmp_path: Path) -> None:
    place = seed / "wepp" / odd
    if odd == "link":
        place.symlink_to("/etc/passwd")
    elif odd == "fifo":
        os.mkfifo(place)
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.relpath(place))
    with pytest.raises(BadProfile, match=f"wepp/{odd} is .*(symbolic link|no regular file)"):
        clone(seed, tmp_path / "runs" / "x")
    assert _nothing_left(tmp_path / "runs")


def test_a_full_disk_leaves_nothing_behind(seed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(reading: int, writing: int, count: int) -> int:
        if os.fstat(reading).st_size > 1_000_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(writing, os.read(reading, count))

    monkeypatch.setattr(os, "copy_file_range", full, raising=False)
    with pytest.raises(Unjudgeable, match=r"The disk is full.*PROFILE_PLAYBACK_RUN_ROOT"):
        clone(seed, tmp_path / "runs" / "x")
    assert _nothing_left(tmp_path / "runs")


def test_an_interrupt_leaves_nothing_behind(seed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_copy_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        clone(seed, tmp_path / "runs" / "x")
    assert _nothing_left(tmp_path / "runs")


@pytest.mark.parametrize("error", [errno.EXDEV, errno.ENOSYS])
def test_bytes_are_copied_where_ranges_cannot_be(
    error: int, seed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*args: object) -> int:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "copy_file_range", refused, raising=False)
    clone(seed, tmp_path / "x")
    assert tree_hash(tmp_path / "x") == tree_hash(seed)


def _append(seed: Path) -> None:
    with (seed / "rusle-10m.cfg").open("a") as file:
        file.write("more")


def _same_size_same_time(seed: Path) -> None:
    path = seed / "run.lock"
    times = path.stat()
    path.write_text("4321")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _new_file(seed: Path) -> None:
    (seed / "empty" / "late").touch()


def _gone(seed: Path) -> None:
    (seed / "run.lock").unlink()


def _pipe_instead(seed: Path) -> None:
    (seed / "run.lock").unlink()
    os.mkfifo(seed / "run.lock")


@pytest.mark.parametrize("change", [_append, _same_size_same_time, _new_file, _gone, _pipe_instead])
@pytest.mark.parametrize("moment", ["before copying", "after copying"])
def test_a_change_meanwhile_is_refused(
    change: object, moment: str, seed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = module._copy_tree

    def copy_tree(source: Path, target: Path, entries: list[module._Entry], cancelled: threading.Event) -> CloneSummary:
        assert callable(change)
        if moment == "before copying":
            change(source)
        try:
            return original(source, target, entries, cancelled)
        finally:
            if moment == "after copying":
                change(source)

    monkeypatch.setattr(module, "_copy_tree", copy_tree)
    with pytest.raises((Unjudgeable, BadProfile), match=r"changed while it was being cloned|cannot be read"):
        clone(seed, tmp_path / "runs" / "x")
    assert _nothing_left(tmp_path / "runs")


@pytest.mark.skipif(os.geteuid() == 0, reason="absent: a user whom permissions bind (running as root)")
def test_an_unreadable_seed_is_named(seed: Path, tmp_path: Path) -> None:
    (seed / "run.lock").chmod(0)
    with pytest.raises(BadProfile, match=r"cannot be read: .*run\.lock"):
        clone(seed, tmp_path / "x")


def test_the_hash_knows_names_contents_and_links_but_no_times(seed: Path, tmp_path: Path) -> None:
    hashes = [tree_hash(seed)]
    os.utime(seed / "run.lock", (0, 0))
    (seed / "_logs" / "more").touch()
    assert tree_hash(seed) == hashes[0]
    (seed / "run.lock").write_text("4321")
    hashes.append(tree_hash(seed))
    (seed / "run.lock").rename(seed / "run.locked")
    hashes.append(tree_hash(seed))
    (seed / "link").symlink_to("a")
    hashes.append(tree_hash(seed))
    (seed / "empty").rmdir()
    hashes.append(tree_hash(seed))
    assert len(set(hashes)) == 5


def test_discarding_takes_the_workspace_away_at_once_and_deletes_it_later(seed: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for name in ("one", "two"):
        clone(seed, runs / name)
        (runs / name / "wepp" / "output").chmod(0o500)
        discard(runs / name)
    assert [path.name for path in runs.iterdir()] == [".trash"]
    assert len(list((runs / ".trash").iterdir())) == 2
    assert empty_trash(runs) == []
    assert list((runs / ".trash").iterdir()) == []
    discard(runs / "one")  # gone already: nothing to say


def test_discarding_a_link_leaves_what_it_points_to(seed: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "x").symlink_to(seed)
    discard(tmp_path / "runs" / "x")
    assert empty_trash(tmp_path / "runs") == []
    assert (seed / "run.lock").exists()


def test_permissions_outside_are_left_alone_when_trash_is_emptied(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    run = tmp_path / "runs" / "x"
    (run / "kept").mkdir(parents=True)
    (run / "link").symlink_to(outside)
    discard(run)
    assert empty_trash(tmp_path / "runs") == []
    assert outside.stat().st_mode & 0o777 == 0o755
    shutil.rmtree(outside)
