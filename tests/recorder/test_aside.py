"""Large uploads: what is done aside is what would have been done within the request, faults of the disk included."""

from __future__ import annotations

import errno
import hashlib
import threading
from pathlib import Path

import pytest

from recorder import store as stores
from recorder.aside import Aside
from recorder.bodies import BodyTee
from recorder.names import Names
from recorder.pseudonyms import Pseudonyms
from recorder.redaction import Redactor
from recorder.store import LARGE, Store

PIECE = bytes(range(256)) * 300  # 75 KiB


@pytest.fixture(params=[1, 2])
def processors(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many processors there are."""
    count: int = request.param
    monkeypatch.setattr(stores, "processors", lambda: count)
    return count


def _upload(tmp_path: Path, pieces: int) -> BodyTee:
    tee = BodyTee(Store(tmp_path / "_logs"), Redactor(Names(), Pseudonyms(b"key")), "application/octet-stream")
    for number in range(pieces):
        tee.feed(number.to_bytes(4) + PIECE)
    tee.close()
    return tee


@pytest.mark.parametrize("size", [LARGE // 2, 5 * LARGE])
def test_all_of_it_is_stored_in_order(tmp_path: Path, processors: int, size: int) -> None:
    pieces = size // len(PIECE)
    body = _upload(tmp_path, pieces).describe()
    expected = b"".join(number.to_bytes(4) + PIECE for number in range(pieces))
    assert body is not None
    assert body["size"] == len(expected)
    assert body["sha256"] == hashlib.sha256(expected).hexdigest()
    assert (tmp_path / "_logs/profile.bodies" / body["ref"]).read_bytes() == expected
    assert not [thread for thread in threading.enumerate() if thread.name == "recorder-upload"]


def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = stores.Spool._append
    written = 0

    def full(self: stores.Spool, content: bytes) -> None:
        nonlocal written
        written += len(content)
        if written > 2 * LARGE:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, content)

    monkeypatch.setattr(stores.Spool, "_append", full)
    tee = _upload(tmp_path, 5 * LARGE // len(PIECE))
    body = tee.describe()
    assert tee.failed
    assert body is not None
    assert body["omitted"] == "write_failed"
    assert [path for path in (tmp_path / "_logs").rglob("*") if path.is_file()] == []


def test_any_fault_of_the_work_is_an_error_of_the_disk() -> None:
    def work(content: bytes) -> None:
        raise ValueError("broken")

    aside = Aside(work)
    aside.take(b"x")
    with pytest.raises(OSError, match="ValueError: broken"):
        aside.finish()


def test_who_brings_more_than_can_be_stored_waits() -> None:
    """A slow disk slows the upload, and memory stays as it is."""
    allowed, begun = threading.Semaphore(0), 0

    def work(content: bytes) -> None:
        allowed.acquire()

    aside = Aside(work)
    fed = threading.Event()

    def feed() -> None:
        nonlocal begun
        for begun in range(1, 11):  # noqa: B007
            aside.take(b"x" * (512 << 10))
        fed.set()

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    assert not fed.wait(0.2)
    assert begun <= 5  # one at work, three that wait, one that is held
    for _ in range(10):
        allowed.release()
    assert fed.wait(60)
    allowed.release()
    aside.finish()
