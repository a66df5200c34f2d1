"""What a run left on the disk, and how a replay's files are to be compared with it."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from assembler.baselines import config_files, default_method, outputs, run_files
from assembler.document import load_profile
from tests.assembler.deployment import Deployment

UUID = "7b6e2f0c-1d8a-4c55-9a77-0b1f6f4f2c11"


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content", "method"),
    [
        ("dem.tif", b"II*\0", "raster_stats"),
        ("report.PDF", b"%PDF-1.4\n", "mapped"),
        ("table.xlsx", b"PK\x03\x04", "mapped"),
        ("DEM.TIFF", b"II*\0", "raster_stats"),
        ("table.csv", "a,b\n1,2\n", "tabular_diff"),
        ("table.tsv", "a\tb\n1\t2\n", "tabular_diff"),
        ("runs.sqlite", b"SQLite format 3\0", "sqlite_diff"),
        ("runs.db", b"SQLite format 3\0", "sqlite_diff"),
        ("all.zip", b"PK\3\4", "archive_diff"),
        ("all.tar.gz", b"\x1f\x8b\0", "archive_diff"),
        ("all.tgz", b"\x1f\x8b\0", "archive_diff"),
        ("grid.npz", b"PK\3\4\0", "archive_diff"),
        ("notes.txt", "hello\n", "text_diff"),
        ("rusle.cfg", "[soil]\nk = 0.3\n", "text_diff"),
        ("page.html", "<p>hello</p>", "text_diff"),
        ("noending", "hello\n", "exact_hash"),
        ("grid.bin", b"\0\1\2", "exact_hash"),
        ("latin.txt", "Krüger".encode("latin-1"), "exact_hash"),
        ("empty.txt", "", "text_diff"),
        ("a.json", '{"mean": 1.5, "name": "dry creek"}', "json_exact"),
        ("a.geojson", '{"type": "Point", "coordinates": [1.5, 2.5]}', "json_exact"),
        ("noending", '{"mean": 1.5}', "json_exact"),
        ("broken.json", '{"mean": ', "exact_hash"),
        ("empty.json", "", "exact_hash"),
        ("deep.json", "[" * 100_000 + "]" * 100_000, "exact_hash"),
        ("report.html", "<p>Made 2026-11-20T10:41:06Z</p>", "mapped"),
        ("log.txt", f"run {UUID} is done\n", "mapped"),
        ("table.csv", f"id,value\n{UUID},2\n", "mapped"),
    ],
)  # fmt: skip
def test_the_comparison_follows_from_the_kind(tmp_path: Path, name: str, content: str | bytes, method: str) -> None:
    found, evidence = default_method(write(tmp_path / name, content))
    assert found == method
    assert evidence


@pytest.mark.parametrize(
    "document",
    [
        {"made": "2026-11-20T10:41:06.123456Z"},
        {"made": 1_763_635_266},
        {"made": 1_763_635_266.25},
        {"made": 1_763_635_266_123},
        {"job": UUID},
        {UUID: 5},
        {"rows": [{"duration_s": 0.25}]},
        {"query_ms": 12},
        {"deep": [[{"elapsed": 3}]]},
    ],
)
def test_json_with_clocks_ids_or_durations_is_compared_with_mapped_values(tmp_path: Path, document: Any) -> None:
    assert default_method(write(tmp_path / "a.json", json.dumps(document)))[0] == "mapped"


@pytest.mark.parametrize(
    "document",
    [
        {"count": 5},
        {"duration": "long"},
        {"elapsed": None},
        {"area": 1234.5678},
        {"cells": 176363526},
        {"finished": True},
        [],
    ],
)
def test_json_without_them_is_compared_exactly(tmp_path: Path, document: Any) -> None:
    assert default_method(write(tmp_path / "a.json", json.dumps(document)))[0] == "json_exact"


def test_large_json_is_json(tmp_path: Path) -> None:
    rows = [{"id": n, "value": n / 3} for n in range(40_000)]
    path = write(tmp_path / "a.json", json.dumps(rows))
    assert path.stat().st_size > 1 << 20
    assert default_method(path)[0] == "json_exact"
    assert default_method(write(path, json.dumps([*rows, {"made": 1_763_635_266}])))[0] == "mapped"


def test_files_that_no_replay_must_make_again_are_left_out(tmp_path: Path) -> None:
    for name in (
        "out/a.csv", "a.cfg", "_logs/profile.events.jsonl", "_logs/x.csv", "__pycache__/a.bin", "deep/__pycache__/b.csv", ".git/HEAD",
        ".hidden", "deep/.hidden/c.csv", "run.log", "run.LOG", "x.lock", "x.pid", "x.tmp", "x.swp", "x.pyc", "x.db-wal", "x.sqlite-shm",
    ):  # fmt: skip
        write(tmp_path / name, "x")
    (tmp_path / "link.csv").symlink_to(tmp_path / "out" / "a.csv")
    (tmp_path / "linked").symlink_to(tmp_path / "out")
    (tmp_path / "empty").mkdir()
    assert [name for name, _ in run_files(tmp_path)] == ["a.cfg", "out/a.csv"]


def test_a_name_that_is_no_text_is_left_out(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"\xff\xfe.txt")).write_text("x")
    except OSError:
        pytest.skip("absent: a file system that takes any bytes for a name")
    write(tmp_path / "weird\n#: é.txt", "x")
    assert [name for name, _ in run_files(tmp_path)] == ["weird\n#: é.txt"]


def test_what_the_seed_holds_unchanged_is_no_output(tmp_path: Path) -> None:
    run, before = tmp_path / "run", tmp_path / "before"
    for name in ("same.cfg", "changed.cfg"):
        write(run / name, "x")
        write(before / name, "x" if name == "same.cfg" else "y")
    write(run / "new.csv", "a\n")
    seed = dict(run_files(before))
    assert [item.path for item in outputs(run, seed)] == ["changed.cfg", "new.csv"]


def test_the_configuration_of_a_run(tmp_path: Path) -> None:
    write(tmp_path / "_defaults.toml", "x")
    assert config_files(tmp_path) == []
    write(tmp_path / "b.cfg", "x")
    write(tmp_path / "a.cfg", "x")
    (tmp_path / "c.cfg").symlink_to(tmp_path / "a.cfg")
    (tmp_path / "d.cfg").mkdir()
    assert [path.name for path in config_files(tmp_path)] == ["a.cfg", "b.cfg", "_defaults.toml"]


# ---------------------------------------------------------------------------------------------------- in a draft


def test_a_run_that_was_there_is_cloned_and_its_new_files_are_compared(site: Deployment) -> None:
    run = site.run("dry-creek", {"active.cfg": "a", "inputs/soil.csv": "a,b\n1,2\n", "notes.txt": "before\n"})
    capture = site.start(run_id="dry-creek")
    site.send("POST", "/runs/dry-creek/active/save")
    site.run("dry-creek", {"notes.txt": "after\n", "out/all.json": '{"mean": 1}'})
    with zipfile.ZipFile(run / "out" / "all.zip", "w") as archive:
        archive.writestr("a", "b")
    site.end(capture)
    status = site.assemble()
    profile = load_profile(status.directory / "profile.yaml")
    assert profile.metadata.run == "clone"
    assert [(c.target, c.method) for c in profile.comparisons] == [
        ("notes.txt", "text_diff"),
        ("out/all.json", "json_exact"),
        ("out/all.zip", "archive_diff"),
    ]
    seed = {p.relative_to(status.directory).as_posix() for p in (status.directory / "seed").rglob("*") if p.is_file()}
    assert seed == {"seed/run/active.cfg", "seed/run/inputs/soil.csv", "seed/run/notes.txt"}
    assert (status.directory / "seed/run/notes.txt").read_text() == "before\n"
    assert (status.directory / "baseline/run/notes.txt").read_text() == "after\n"


def test_a_run_without_configuration_is_made_anew_and_nothing_is_compared(site: Deployment) -> None:
    capture = site.start()
    site.send("POST", "/runs", status=302, headers=[("x-made", "1")])
    site.run("dry-creek", {"out.csv": "a\n"})
    site.send("GET", "/runs/dry-creek/active/")
    site.end(capture)
    status = site.assemble()
    profile = load_profile(status.directory / "profile.yaml")
    assert profile.metadata.run == "created"
    assert profile.comparisons == []
    assert "The run wrote 1 files. They are not compared" in status.warnings[0]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_second_run_is_told(site: Deployment, method: str) -> None:
    for run_id in ("dry-creek", "wet-creek"):
        site.run(run_id, {"active.cfg": "a"})
    capture = site.start()
    site.send("GET", "/runs/dry-creek/active/")
    site.send(method, "/runs/wet-creek/active/")
    site.end(capture)
    status = site.assemble()
    sentences = status.problems if method == "POST" else status.warnings
    assert len([s for s in sentences if "'wet-creek' itself" in s and "clones one run only" in s]) == 1
    assert len(status.problems) == (method == "POST")
