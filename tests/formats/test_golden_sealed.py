"""Kept files of a sealed log of two machines, each process with a file of its own (docs/formats.md)."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from recorder.log import LOG_NAME
from recorder.replay import page
from recorder.seal import Checkpoint, Seal
from recorder.tail import tail
from recorder.verify import verify

HERE = Path(__file__).parent / "v1" / "many"
LOG = HERE / "recorder" / "_logs" / LOG_NAME
SEAL = Seal(HERE / "seal", b"the key of the golden seal")
KINDS = ["error", "log_opened", "log_opened", "note", "note", "tombstone"]


def test_the_files_are_read_as_one_log() -> None:
    found = [event for _, event in tail(LOG, stop=lambda: True)]
    assert sorted(event["payload"]["kind"] for event in found) == KINDS  # type: ignore[index]
    for path in LOG.parent.iterdir():
        assert re.fullmatch(r"profile\.events\.[A-Za-z0-9-]+-\d+\.[0-9A-HJKMNP-TV-Z]{26}\.jsonl", path.name)
    first, after = page(LOG, None, 4)
    rest, _ = page(LOG, after, 4)
    assert {event["id"] for event in [*first, *rest]} == {event["id"] for event in found}  # type: ignore[index]
    assert (len(first), len(rest)) == (4, 2)


def test_every_record_is_chained_to_the_one_before() -> None:
    for path in LOG.parent.iterdir():
        text = path.read_bytes()
        lines = [line for line in text.split(b"\n") if line]
        place, digest = None, SEAL.beginning(json.loads(lines[0])["writer"])
        for line in lines:
            event = json.loads(line)
            assert list(event)[-1] == "chain"
            if event["payload"]["kind"] == "error":  # the one before it was overwritten since
                assert event["chain"][0] == place
                assert event["chain"][1] != digest
            else:
                assert event["chain"] == [place, digest]
            place, digest = text.index(line), SEAL.digest(line)


def test_checkpoints_are_signed_and_the_redaction_is_proven(tmp_path: Path) -> None:
    checkpoints = list(SEAL.checkpoints())
    assert [c.sequence for c in checkpoints if isinstance(c, Checkpoint)] == [3, 3]
    verdict = verify(LOG, SEAL)
    assert (verdict.problems, verdict.remarks, verdict.sealed) == ([], [], 6)
    copy = tmp_path / "_logs"
    shutil.copytree(LOG.parent, copy)
    (path,) = [path for path in copy.iterdir() if b'"tombstone"' in path.read_bytes()]
    path.write_bytes(path.read_bytes().replace(b'"length":6', b'"length":7'))
    assert [p.kind for p in verify(copy / LOG_NAME, SEAL).problems] == ["altered", "altered"]  # it, and what it proved
