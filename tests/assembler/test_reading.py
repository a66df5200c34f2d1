"""Whatever a log is mixed with, however often its reader is killed: every event comes once, and the draft is the same to the byte."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assembler import assemble
from assembler.assembly import Assembly
from assembler.following import follow
from assembler.logs import AuditLog
from recorder.log import LOG_NAME, BadLine, read
from recorder.manifest import CAPTURES_NAME
from tests.assembler.busy import busy, logs
from tests.assembler.deployment import SLUG, Deployment, contents

QUIET = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A recording, and the draft that is made of it without interruption."""
    site = Deployment(tmp_path_factory.mktemp("recorded"))
    busy(site)
    site.assemble()
    return site


@pytest.fixture(scope="module")
def records(site: Deployment) -> list[bytes]:
    return [line for line in site.log().read_bytes().split(b"\n") if line]


noise = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"\n", b"\r\n", b"{", b'{"v":1', b'{"v":1,"id":"x","category":"http_request"}', b"[1]", b"null", b"\xff", b"\0"]),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["v", "id", "category", "payload"]), inner),
        max_leaves=6,
    ).map(orjson.dumps),
)  # fmt: skip


@given(before=st.lists(noise, min_size=6, max_size=6), after=noise, kept=st.sets(st.integers(0, 5)))
@QUIET
def test_events_among_anything_come_back_once(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], before: list[bytes], after: bytes, kept: set[int]
) -> None:
    log = tmp_path_factory.mktemp("mixed") / LOG_NAME
    framed = [b"\n%b\n" % record if number in kept else b"" for number, record in enumerate(records[:6])]
    log.write_bytes(b"".join(noise + record for noise, record in zip(before, framed, strict=True)) + after)
    wanted = [orjson.loads(records[number])["id"] for number in sorted(kept)]
    assert [event["id"] for _, event in AuditLog(log).pull(rest=True)] == wanted
    found = [line.event["id"] for line in read(log) if not isinstance(line, BadLine)]
    assert [identity for identity in found if identity in wanted] == wanted


@given(cuts=st.lists(st.floats(0, 1), max_size=12))
@QUIET
def test_events_that_arrive_in_pieces_come_once(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], cuts: list[float]
) -> None:
    path = tmp_path_factory.mktemp("pieces") / LOG_NAME
    content = b"".join(b"\n%b\n" % record for record in records)
    log, found, written = AuditLog(path), [], 0
    for cut in [*sorted(int(share * len(content)) for share in cuts), len(content)]:
        with path.open("ab") as file:
            file.write(content[written:cut])
        written = cut
        found += [event["id"] for _, event in log.pull()]
    assert found == [orjson.loads(record)["id"] for record in records]


@given(
    cuts=st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from(["read on", "begin anew", "assemble", "follow"])), max_size=4
    )
)
@settings(QUIET, max_examples=25)
def test_a_reader_that_is_killed_anywhere_makes_the_same_draft(site: Deployment, cuts: list[tuple[float, str]]) -> None:
    whole = logs(site)
    manifest = site.root / "_logs" / CAPTURES_NAME
    ended = manifest.read_bytes()
    (capture,) = orjson.loads(ended)["captures"]
    began = orjson.dumps({"v": 1, "captures": [{**capture, "state": "capturing", "ended": None}]})
    wanted = contents(site.draft)
    data_root = site.folder / "elsewhere"
    try:
        manifest.write_bytes(began)
        for log in whole:
            log.write_bytes(b"")
        assembly = Assembly(site.root, data_root)
        written = dict.fromkeys(whole, 0)
        for share, what in sorted(cuts):
            for log, content in whole.items():
                with log.open("ab") as file:
                    file.write(content[written[log] : int(share * len(content))])
                written[log] = int(share * len(content))
            if what == "begin anew":
                assembly = Assembly(site.root, data_root)
            if what == "assemble":
                assemble(site.root, SLUG, data_root)
            elif what == "follow":
                _followed(site, data_root)
            else:
                assembly.read()
        for log, content in whole.items():
            with log.open("ab") as file:
                file.write(content[written[log] :])
        manifest.write_bytes(ended)
        assembly.read()
        assembly.read(rest=True)
        status = assembly.finish(assembly.capture(SLUG), fresh=False)
        assert contents(status.directory) == wanted
        assert contents(assemble(site.root, SLUG, data_root).directory) == wanted
    finally:
        manifest.write_bytes(ended)
        for log, content in whole.items():
            log.write_bytes(content)
        shutil.rmtree(data_root, ignore_errors=True)


def _followed(site: Deployment, data_root: Path) -> None:
    """A follower that is ended at once, wherever it is by then."""
    stop = threading.Event()
    thread = threading.Thread(target=follow, args=(site.root, data_root, stop, lambda status: None))
    thread.start()
    stop.set()
    thread.join(60)
    assert not thread.is_alive()
