"""Logs that were rotated, compressed, copied or broken: every record is read, once; a late secret leaves each of them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from assembler.assembly import Assembly
from assembler.document import load_profile
from assembler.logs import AuditLog, locate
from assembler.places import overwrite, record_at, records_at
from recorder.events import envelope
from recorder.log import LOG_NAME, Writer
from tests.assembler.deployment import JSON, SLUG, Deployment, contents, everything, paths
from tests.assembler.test_crashes import killed
from tests.recorder.rotating import compressed, rotate, writing

TOKEN = "IjA4ZmQyN2E5Y2U4NyI.Zx1kQw.q9vJ3mTtWb"


class Log:
    """One writer's log, and what a reader takes from it."""

    def __init__(self, folder: Path) -> None:
        self.writer = Writer(folder / "_logs", folder)
        self.path = self.writer.path
        self.reader = AuditLog(self.path)
        self._count = 0

    def write(self, count: int = 1, text: str = "") -> None:
        for _ in range(count):
            self._count += 1
            payload = {"kind": "error", "where": str(self._count), "message": text}
            assert self.writer.append(envelope("system_log", None, payload))

    def name(self, suffix: str) -> Path:
        return self.path.with_name(LOG_NAME + suffix)

    def gained(self, **options: bool) -> list[int]:
        """The sequence numbers of what the log gained for its reader."""
        return sequences(self.reader.pull(**options))

    def all(self) -> list[int]:
        """The same for a reader that begins now."""
        return sequences(AuditLog(self.path).pull(rest=True))


def sequences(pulled: Iterable[tuple[int, dict[str, Any]]]) -> list[int]:
    return [event["sequence"] for _, event in pulled]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Log:
    """A log whose writer is busy: it learns of a rotation after it has written into the renamed file."""
    monkeypatch.setattr("recorder.log.IDLE_NS", 1 << 60)
    return Log(tmp_path)


# ---------------------------------------------------------------------------------------------------- all there is


def test_every_file_of_a_log_is_read_the_oldest_first_whatever_it_is_called(log: Log) -> None:
    compressions: dict[str, Callable[[bytes], bytes]] = {
        "-20261120.gz": gzip.compress,
        ".1": bytes,
        ".7": gzip.compress,  # the name does not say so
        ".old.bz2": bz2.compress,
        "-3.xz": lzma.compress,
    }
    for suffix, compress in compressions.items():
        log.write(3)
        log.name(suffix).write_bytes(compress(log.path.read_bytes()))
        log.path.unlink()
    log.write(2)
    log.path.rename(log.path.with_name("profile.events-20261121.jsonl"))  # logrotate's `extension`
    log.write(2)
    assert log.all() == [*range(1, 21)]
    assert AuditLog(log.path).skipped() is None


def test_a_log_of_which_only_compressed_files_are_there_is_located_and_assembled(site: Deployment) -> None:
    site.run("dry-creek", {"active.cfg": "a"})
    capture = site.start()
    site.send("GET", "/one")
    site.send("GET", "/runs/dry-creek/active/two")
    site.end(capture)
    undisturbed = contents(site.assemble().directory)
    for path in (site.log(), site.log("dry-creek")):
        rotate(path)
        compressed(path.with_name(LOG_NAME + ".1"))
        assert not path.exists()
    run = site.folder / "runs" / "dry-creek"
    assert locate(run) == (site.root, run / "_logs" / LOG_NAME)
    assert contents(site.assemble(run, rebuild=True).directory) == undisturbed


def test_a_record_that_stands_in_two_files_is_taken_once(log: Log) -> None:
    log.write(4)
    log.name(".bak").write_bytes(log.path.read_bytes())
    rotate(log.path)
    log.write(2)
    both = log.name(".1").read_bytes() + log.path.read_bytes()
    log.name(".both").write_bytes(both[both.index(b'"sequence":3') - 200 :])  # begins elsewhere: no copy by its looks
    assert log.all() == [*range(1, 8)]


def test_files_that_begin_with_one_record_are_two(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is renamed right after its first record, which is written again; another writer's came between."""
    other = Log(log.path.parent.parent / "other")
    other.write(2)
    whole = os.write

    def rotated(descriptor: int, line: bytes) -> int:
        written = whole(descriptor, line)
        if not log.name(".1").exists():
            whole(descriptor, other.path.read_bytes())
            rotate(log.path)
        return written

    monkeypatch.setattr("recorder.log.os.write", rotated)
    log.write(2)
    assert log.gained() == log.all() == [1, 1, 2, 3, 2, 3]
    rotate(log.path)
    log.write()
    assert log.gained() == [4]
    assert log.all() == [1, 1, 2, 3, 2, 3, 4]


def test_the_clock_that_goes_back_does_not_change_the_order(log: Log) -> None:
    log.write()
    log.name(".1").write_bytes(log.path.read_bytes().replace(b'"timestamp":"20', b'"timestamp":"21'))
    log.path.unlink()
    log.write()
    log.path.rename(log.name(".0"))
    log.write()
    assert log.all() == [1, 2, 3, 4]


# ---------------------------------------------------------------------------------------------------- following


def test_rotation_between_two_looks_is_followed_and_nothing_comes_twice(log: Log) -> None:
    log.write(2)
    assert log.gained() == [1, 2, 3]
    log.write()
    rotate(log.path)
    log.write(2)
    assert log.gained() == [4, 5, 6]
    compressed(log.name(".1"))
    log.write()
    assert log.gained() == [7]
    for _ in range(3):
        log.write()
        compressed(rotate(log.path))
    assert log.gained() == [8, 9, 10]
    log.write()
    assert log.gained(rest=True) == [11]
    assert log.gained(rest=True) == []
    assert log.reader.skipped() is None


def test_what_was_not_read_before_a_file_was_compressed_is_read_after(log: Log) -> None:
    log.write(2)
    assert log.gained() == [1, 2, 3]
    log.write(2)
    for compress, suffix in ((bz2.compress, ".1.bz2"), (gzip.compress, ".1.gz")):
        log.name(suffix).write_bytes(compress(log.path.read_bytes()))
        log.path.unlink()
        log.write(2)
    assert log.gained() == [4, 5, 6, 7, 8, 9]


def test_a_writer_that_has_not_noticed_yet_is_read_in_the_renamed_file(log: Log) -> None:
    log.write()
    assert log.gained() == [1, 2]
    with rotate(log.path).open("ab") as old:
        other = Log(log.path.parent.parent / "other")
        other.write()
        log.write()
        assert log.gained() == [3]
        old.write(other.path.read_bytes())
    assert log.gained() == [1, 2]


def test_a_log_that_was_copied_and_truncated_is_followed(log: Log) -> None:
    log.write(3)
    assert log.gained() == [1, 2, 3, 4]
    log.write()
    log.name(".1").write_bytes(log.path.read_bytes())
    os.truncate(log.path, 0)
    log.write(20)  # it is longer than it was
    assert log.gained() == [*range(5, 26)]
    log.name(".2").write_bytes(log.path.read_bytes()[:1000])  # a copy that is being made
    assert log.gained() == []
    assert log.all() == [*range(1, 26)]


def test_concurrent_writers_lose_nothing_while_their_log_is_rotated_and_compressed(tmp_path: Path) -> None:
    path = tmp_path / "_logs" / LOG_NAME
    reader, found = AuditLog(path), []
    with writing(path, tmp_path, processes=3, records=4000) as writers:
        while writers.alive():
            if path.exists() and path.stat().st_size > 100_000:
                rotate(path)
                rotate(path)
            found.extend(event for _, event in reader.pull())
            compressed(path.with_name(LOG_NAME + ".1"))
            compressed(path.with_name(LOG_NAME + ".2"))
    found.extend(event for _, event in reader.pull(rest=True))
    for events in (found, [event for _, event in AuditLog(path).pull(rest=True)]):
        by_writer: dict[str, list[int]] = {}
        for event in events:
            by_writer.setdefault(event["writer"], []).append(event["sequence"])
        assert [sorted(taken) for taken in by_writer.values()] == [[*range(1, 4002)]] * 3
        ids = [event["id"] for event in events]
        assert len(set(ids)) == len(ids)
        assert set(ids) > set(writers.acknowledged())
    assert len(writers.acknowledged()) == 12_000
    assert "could not be read" not in (reader.skipped() or "")  # lines may be torn: compressed while they were written


# ---------------------------------------------------------------------------------------------------- broken and foreign


def test_what_is_broken_or_foreign_beside_a_log_is_named_and_passed_over(log: Log) -> None:
    log.write(2, os.urandom(20_000).hex())
    packed = compressed(rotate(log.path))
    packed.write_bytes(packed.read_bytes()[:30_000])
    log.write(2)
    log.name(".swp").write_bytes(b"\0b0VIM 9.0")
    log.name(".2.gz").write_bytes(b"\x1f\x8bnot at all")
    log.name(".empty").touch()
    log.name(".d").mkdir()
    os.mkfifo(log.name(".pipe"))
    log.name(".link").symlink_to("nowhere")
    assert log.gained() == [1, 2, 4, 5]
    assert log.gained() == []
    told = log.reader.skipped() or ""
    assert f"{LOG_NAME}.1.gz: it breaks off after" in told
    assert f"{LOG_NAME}.swp: it holds no event" in told
    assert f"{LOG_NAME}.2.gz: " in told
    assert ".empty" not in told + ".d" not in told
    assert str(log.path.parent) not in told


def test_a_file_that_was_whole_after_all_is_not_named_any_more(log: Log) -> None:
    log.write(2, os.urandom(20_000).hex())
    packed = compressed(rotate(log.path))
    whole = packed.read_bytes()
    packed.write_bytes(whole[:30_000])
    assert log.gained() == [1, 2]
    packed.write_bytes(whole)
    assert log.gained() == [3]
    assert log.reader.skipped() is None


def test_a_torn_end_of_a_rotated_file_is_named_with_it(log: Log) -> None:
    log.write()
    size = log.path.stat().st_size
    with log.path.open("ab") as file:
        file.write(b'\n{"v":1,"id":"01')
    rotate(log.path)
    log.write()
    assert log.gained() == [1, 2, 3]
    log.gained(rest=True)
    assert f"torn, at byte {size + 1} of {LOG_NAME}.1" in (log.reader.skipped() or "")
    log.write()
    assert log.gained() == [4]


def test_a_file_that_inflates_a_thousandfold_is_read_in_little_memory(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recorder.generations.MAX_LINE", 1 << 20)
    log.write()
    rotate(log.path)
    zeros = bytes(1 << 20)
    with gzip.open(log.name(".1.gz"), "wb", 1) as packed:
        packed.write(log.name(".1").read_bytes())
        for _ in range(100):
            packed.write(zeros)
        packed.write(b"\n")
    log.name(".1").unlink()
    log.write()
    tracemalloc.start()
    try:
        assert log.gained() == [1, 2, 3]
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()
    assert "foreign: not JSON" in (log.reader.skipped() or "")


# ---------------------------------------------------------------------------------------------------- places


def test_a_place_outlives_renaming_and_compression(log: Log) -> None:
    log.write(3)
    places = {event["sequence"]: log.reader.place(position) for position, event in log.reader.pull()}
    rotate(log.path)
    log.write(3)
    places |= {event["sequence"]: log.reader.place(position) for position, event in log.reader.pull()}
    for _ in range(2):
        assert {n: record_at(place)["sequence"] for n, place in places.items()} == {n: n for n in range(1, 8)}
        assert [r["sequence"] for _, r in records_at([*places.values()][::-1])] == [6, 7, 1, 2, 3, 4, 5]
        compressed(log.name(".1"))
        rotate(log.path)
    log.name(".3.gz").unlink()
    with pytest.raises(FileNotFoundError, match="has gone"):
        record_at(places[2])
    assert record_at(places[6])["sequence"] == 6


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_record_is_overwritten_in_every_file_that_holds_it(log: Log, compress: Callable[[bytes], bytes]) -> None:
    log.write(3, "x" * 100_000 + "secret")
    *_, (position, event) = log.reader.pull()
    place = log.reader.place(position)
    before = log.path.read_bytes()
    old = rotate(log.path)
    packed = log.name(".1.packed")
    packed.write_bytes(compress(before))
    packed.chmod(0o640)
    event["payload"]["message"] = "x" * 100_000 + "******"
    overwrite({place: event})
    fresh = old.read_bytes()
    assert fresh.count(b"secret") == 2
    assert len(fresh) == len(before)
    old.unlink()
    assert record_at(place) == event
    assert b"".join(_text(packed)) == fresh
    assert packed.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in log.path.parent.iterdir()) == [packed.name]


def _text(path: Path) -> Iterable[bytes]:
    for module in (gzip, bz2, lzma):
        try:
            return [module.open(path).read()]
        except (OSError, lzma.LZMAError):
            continue
    raise AssertionError(path)


def test_a_secret_in_a_file_that_breaks_off_makes_no_draft_and_says_so(log: Log) -> None:
    log.write(1, "secret")
    log.write(1, os.urandom(50_000).hex())
    *_, (position, event), _ = log.reader.pull()
    packed = compressed(rotate(log.path))
    packed.write_bytes(packed.read_bytes()[:20_000])
    event["payload"]["message"] = "******"
    with pytest.raises(OSError, match=r"breaks off; wait until it is compressed, or remove it"):
        overwrite({log.reader.place(position): event})


# ---------------------------------------------------------------------------------------------------- late secrets


def recorded(site: Deployment) -> None:
    """A page whose script holds a token under no telling name, a request that sends it as one, and traffic around it."""
    capture = site.start()
    site.send("GET", "/", f"<script>boot('{TOKEN}')</script>")
    site.send("GET", "/list", '{"a": 1}', kind=JSON)
    site.send("POST", "/save", "saved", headers=[("x-csrftoken", TOKEN)])
    site.end(capture)


def inflated(path: Path) -> bytes:
    with gzip.open(path) as text:
        return text.read()


def texts(folder: Path) -> str:
    """All that is on the disk, what is compressed inflated."""
    return everything(folder) + "".join(gzip.open(p, "rt").read() for p in folder.rglob("*.gz"))


@pytest.mark.parametrize("state", ["renamed", "compressed", "both"])
def test_a_late_secret_leaves_a_log_that_was_rotated(site: Deployment, state: str) -> None:
    recorded(site)
    old = rotate(site.log())
    if state != "renamed":
        content = old.read_bytes()
        packed = compressed(old)
        if state == "both":
            old.write_bytes(content)
    site.send("GET", "/later")
    assert TOKEN in texts(site.root)
    status = site.assemble()
    assert (status.state, status.late_secrets, status.problems) == ("ready", 1, ())
    assert TOKEN not in texts(site.folder)
    assert '"kind":"tombstone"' in texts(site.root)
    assert paths(load_profile(status.directory / "profile.yaml")) == ["/", "/list", "/save"]
    first = contents(status.directory)
    if state == "compressed":
        assert b"*" * len(TOKEN) in inflated(packed)
    again = site.assemble(rebuild=True)
    assert again.late_secrets == 0
    assert contents(again.directory) == first


def test_a_secret_leaves_both_files_of_a_record_that_was_written_while_its_log_was_renamed(log: Log) -> None:
    log.write()
    for _ in range(2):
        rotate(log.path)
        log.write(1, "hush")  # into the renamed file, and into the new one
    assert texts(log.path.parent).count("hush") == 4
    for place, record in [*records_at(log.reader.place(position) for position, _ in log.reader.pull())]:
        if record["payload"].get("message"):
            record["payload"]["message"] = "****"
            overwrite({place: record})
    assert "hush" not in texts(log.path.parent)
    assert log.all() == [1, 2, 3, 4]
    assert log.path.read_bytes().startswith(b'\n {"v":1')  # still told from the file before by its beginning


def test_a_log_is_whole_whenever_the_one_that_overwrites_in_it_is_killed(log: Log) -> None:
    log.write(3, "hush")
    *_, (position, event) = log.reader.pull()
    event["payload"]["message"] = "****"
    packed = compressed(rotate(log.path))
    whole, text = packed.read_bytes(), inflated(packed)
    overwritten, moment = b"****".join(text.rsplit(b"hush", 1)), 0
    while True:
        moment += 1
        packed.write_bytes(whole)
        if not killed(lambda: overwrite({log.reader.place(position): event}), moment):
            break
        assert inflated(packed) in (text, overwritten)
        assert log.all() == [1, 2, 3, 4]
    assert moment > 4
    assert inflated(packed) == overwritten
    for left in log.path.parent.iterdir():
        os.utime(left, (0, 0))
    packed.write_bytes(whole)
    overwrite({log.reader.place(position): event})
    assert [path.name for path in log.path.parent.iterdir()] == [packed.name]


def test_rotation_while_a_draft_is_followed(site: Deployment) -> None:
    capture = site.start()
    assembly = Assembly(site.root, site.data_root, SLUG)
    for path in ("/one", "/two", "/three"):
        site.send("GET", path)
        assembly.read()
        compressed(rotate(site.log()))
    site.end(capture)
    assembly.read(rest=True)
    status = assembly.finish(assembly.newest(SLUG) or {}, fresh=True)
    assert paths(load_profile(status.directory / "profile.yaml")) == ["/one", "/two", "/three"]
    assert not [warning for warning in status.warnings if "log" in warning]
