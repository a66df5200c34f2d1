"""`archive_diff`, on zip and tar files, hostile ones among them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio

from playback.comparators import archive_members, compare, default_method

BASE = {"a.txt": b"one\n", "sub/b.json": b'{"x": 1, "y": 2}', "c.bin": bytes(1000)}
KINDS = ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"]


def write(
    path: Path, members: dict[str, bytes] | list[tuple[str, bytes]], kind: str, when: int = 1_000_000_000
) -> None:
    """An archive of `members`, written at `when` (seconds since 1970)."""
    items = list(members.items()) if isinstance(members, dict) else members
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in items:
                archive.writestr(zipfile.ZipInfo(name, time.gmtime(when)[:6]), content)
        return
    mode = {"tar": "w:", "tar.gz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}[kind]
    with tarfile.open(path, mode) as archive:
        for name, content in items:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), when
            archive.addfile(entry, io.BytesIO(content))


@pytest.fixture(params=KINDS)
def judge_members(request, pair):
    """`judge_members(actual, expected=BASE)`: the verdict on two archives of each kind, of other times."""

    def judge_members(actual, expected=BASE):
        left, right = pair(f"out.{request.param}")
        write(left, expected, request.param)
        write(right, actual, request.param, 1_500_000_000)
        return compare("archive_diff", left, right, {})

    return judge_members


def test_times_and_order_do_not_count(judge_members):
    outcome = judge_members(dict(reversed(BASE.items())))
    assert (outcome.result, outcome.summary) == ("passed", "No difference in 3 members.")


@pytest.mark.parametrize(
    ("actual", "summary"),
    [
        ({**BASE, "a.txt": b"two\n"}, "Member a.txt: Line 1 differs from character 1: expected ‘one’, actual ‘two’."),
        ({**BASE, "sub/b.json": b'{"x": 1, "y": 3}'}, "Member sub/b.json: 1 difference at /y: expected 2, actual 3."),
        ({**BASE, "c.bin": bytes(999) + b"\1"}, "Member c.bin: The first difference is at byte 999: "),
        ({**BASE, "c.bin": b""}, "Member c.bin: The actual file 0-c.bin is empty."),
        ({"a.txt": b"one\n", "c.bin": bytes(1000)}, "Member sub/b.json: expected a file of 16 bytes, actual nothing."),
        ({**BASE, "d": b"!"}, "Member d: expected nothing, actual a file of 1 byte."),
        ([*BASE.items(), ("a.txt", b"one\n")], "Member a.txt (2): expected nothing, actual a file of 4 bytes."),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_change_fails_and_names_the_member(judge_members, actual, summary):
    outcome = judge_members(actual)
    assert outcome.result == "failed"
    assert outcome.summary.startswith(summary)


def test_a_member_is_judged_by_the_method_that_suits_it(judge_members):
    assert judge_members({**BASE, "sub/b.json": b'{"y": 2.0,\n "x": 1}'}).result == "passed"
    assert judge_members({**BASE, "a.txt": b"one\r\n"}).result == "failed"


def test_all_members_that_differ_are_listed(judge_members):
    outcome = judge_members({**BASE, "a.txt": b"two\n", "c.bin": b"!"})
    assert outcome.summary.endswith(" (2 members differ).")
    assert [line.split(":")[0] for line in outcome.details[:2]] == ["a.txt", "c.bin"]


def test_a_raster_in_an_archive_is_drawn(pair, tmp_path):
    archives = []
    for path, cell in zip(pair("out.zip"), (1, 2), strict=True):
        raster = path.with_name("soil.tif")
        with rasterio.open(raster, "w", driver="GTiff", width=2, height=2, count=1, dtype="uint8", crs="EPSG:4326",
                           transform=rasterio.Affine(1, 0, 5, 0, -1, 5)) as out:  # fmt: skip
            out.write(np.array([[[0, 0], [0, cell]]], "uint8"))
        write(path, {"maps/soil.tif": raster.read_bytes()}, "zip")
        archives.append(path)
    outcome = compare("archive_diff", *archives, {}, tmp_path / "artifacts")
    assert "Member maps/soil.tif: Band 1: 1 of 4 cells differs" in outcome.summary
    assert [picture.parent for picture in outcome.pictures] == [tmp_path / "artifacts"]
    assert outcome.pictures[0].exists()


def test_an_archive_in_an_archive_compares_by_its_bytes(pair, tmp_path):
    left, right = pair("out.zip")
    for path, when in ((left, 1_000_000_000), (right, 1_500_000_000)):
        write(tmp_path / "inner.zip", BASE, "zip", when)
        write(path, {"inner.zip": (tmp_path / "inner.zip").read_bytes()}, "zip")
    assert compare("archive_diff", left, right, {}).summary.startswith(
        "Member inner.zip: The first difference is at byte"
    )


def test_folders_and_links_are_members(pair):
    left, right = pair("out.tar")
    for path, target in ((left, "a"), (right, "/etc/passwd")):
        with tarfile.open(path, "w") as archive:
            folder, link = tarfile.TarInfo("sub"), tarfile.TarInfo("link")
            folder.type, link.type, link.linkname = tarfile.DIRTYPE, tarfile.SYMTYPE, target
            archive.addfile(folder)
            archive.addfile(link)
    outcome = compare("archive_diff", left, right, {})
    assert outcome.summary == "Member link: expected a link to a, actual a link to /etc/passwd."
    assert compare("archive_diff", left, left, {}).result == "passed"


def test_another_kind_of_archive_is_a_difference(pair):
    left, right = pair("out")
    write(left, BASE, "tar.gz")
    for kind in ("zip", "tar"):
        write(right, BASE, kind)
        assert compare("archive_diff", left, right, {}).summary == (
            f"The expected file is a tar.gz, the actual one a {kind}."
        )


def test_a_tar_that_ends_with_a_zip_is_a_tar(pair, tmp_path):
    write(tmp_path / "inner.zip", BASE, "zip")
    for path in (paths := pair("out.tar")):
        with tarfile.open(path, "w") as archive:
            archive.add(tmp_path / "inner.zip", "inner.zip")
    assert zipfile.is_zipfile(paths[0])
    assert compare("archive_diff", *paths, {}).summary == "No difference in 1 member."


@pytest.mark.parametrize(
    ("name", "kind"), [("a.zip", "zip"), ("a.whl", "zip"), ("a.tgz", "tar.gz"), ("a.TAR.GZ", "tar.gz")]
)
def test_the_default_method_of_an_archive(tmp_path, name, kind):
    write(tmp_path / name, BASE, kind)
    assert default_method(tmp_path / name) == "archive_diff"


class TestHostile:
    """Nothing leaves the temporary folder, nothing fills memory or disk, and a sentence says what is wrong."""

    NAMES = ("../../escaped.json", "/escaped.json", "a\x1b[31m.json", "..", "x" * 90 + ".json", "é\\..\\escaped.json")

    @pytest.mark.parametrize("kind", ["zip", "tar"])
    def test_no_name_leads_outside(self, pair, tmp_path, monkeypatch, kind):
        (tmp_path / "scratch").mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
        left, right = pair(f"out.{kind}")
        write(left, dict.fromkeys(self.NAMES, b"[1]"), kind)
        write(right, dict.fromkeys(self.NAMES, b"[2]"), kind)
        outcome = compare("archive_diff", left, right, {})
        assert outcome.result == "failed"
        assert "1 difference at /0: expected 1, actual 2" in "".join(outcome.details)
        assert "\x1b" not in "".join([outcome.summary, *outcome.details])
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and path not in (left, right)]
        assert not Path("/escaped.json").exists()

    @pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz"])
    def test_a_bomb_is_refused(self, pair, monkeypatch, kind):
        monkeypatch.setattr(archive_members, "LARGEST", 1_000_000)
        left, right = pair(f"out.{kind}")
        write(left, BASE, kind)
        write(right, {f"{n}": bytes(100_000) for n in range(11)}, kind)
        summary = f"The actual file out.{kind} unpacks to more than 1,000,000 bytes, the most that is read."
        assert compare("archive_diff", left, right, {}).summary == summary
        assert compare("archive_diff", right, right, {}).result == "failed"

    def test_too_many_members_are_refused(self, pair, monkeypatch):
        monkeypatch.setattr(archive_members, "MOST", 2)
        for path in (paths := pair("out.tar")):
            write(path, BASE, "tar")
        assert "has more than 2 members" in compare("archive_diff", *paths, {}).summary

    def test_a_sparse_giant_is_refused_at_once(self, pair):
        entry = tarfile.TarInfo("giant")
        entry.size = 1 << 50
        for path in (paths := pair("out.tar")):
            path.write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
        assert "unpacks to more than" in compare("archive_diff", *paths, {}).summary

    def test_a_forged_header_does_not_fill_the_memory(self, pair):
        header = tarfile.TarInfo("././@LongLink")
        header.type, header.size = tarfile.GNUTYPE_LONGNAME, 300 << 20
        for path in (paths := pair("out.tar.gz")):
            with gzip.open(path, "wb", 1) as file:
                file.write(header.tobuf(tarfile.GNU_FORMAT))
                for _ in range(20):
                    file.write(bytes(1 << 20))
        tracemalloc.start()
        try:
            outcome = compare("archive_diff", *paths, {})
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert "a header that claims 314572800 bytes" in outcome.summary
        assert peak < 8 << 20

    def test_a_zip_member_larger_than_it_says_is_refused(self, pair):
        left, right = pair("out.zip")
        write(left, {"a": bytes(100_000)}, "zip")
        size = (100_000).to_bytes(4, "little")
        right.write_bytes(left.read_bytes().replace(size, (10).to_bytes(4, "little")))
        assert "cannot be read as an archive" in compare("archive_diff", left, right, {}).summary

    def test_an_encrypted_member_is_named(self, pair):
        left, right = pair("out.zip")
        write(left, BASE, "zip")
        content = bytearray(left.read_bytes())
        content[6] |= 1  # general purpose bit 0, in the local header and in the central directory
        content[content.index(b"PK\1\2") + 8] |= 1
        right.write_bytes(content)
        assert "is encrypted" in compare("archive_diff", left, right, {}).summary


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_cut_off_archive_fails_on_its_side(pair, kind, kept):
    left, right = pair(f"out.{kind}")
    noise = np.random.default_rng(3).bytes(50_000)
    write(left, {"a": noise, "b": noise[::-1]}, kind)
    whole = left.read_bytes()
    right.write_bytes(whole[: int(len(whole) * kept)])
    for one, other, role in ((left, right, "actual"), (right, left, "expected")):
        outcome = compare("archive_diff", one, other, {})
        assert outcome.summary.startswith(f"The {role} file out.{kind} cannot be read as an archive: ")


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_flipped_byte_fails(pair, kind):
    left, right = pair(f"out.{kind}")
    write(left, {"a": json.dumps(list(range(5000))).encode()}, kind)
    content = bytearray(left.read_bytes())
    content[len(content) // 2] ^= 0xFF
    right.write_bytes(content)
    assert compare("archive_diff", left, right, {}).result == "failed"
