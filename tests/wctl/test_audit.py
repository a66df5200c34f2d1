"""`wctl audit verify` by exit code and output."""

from __future__ import annotations

import json
from pathlib import Path

from recorder.events import envelope
from recorder.log import Writer
from recorder.seal import Seal
from tests.wctl.conftest import Wctl

RUDE = "\x1b]0;title\x07\x1b[2J\r\nforged: byte 0\u2028\x1e\x9b31m"


def logged(folder: Path, seal: Seal | None = None) -> Path:
    writer = Writer(folder / "_logs", folder, seal=seal)
    for _ in range(3):
        writer.append(envelope("system_log", None, {"kind": "error", "where": RUDE, "message": RUDE}))
    writer.close()
    return writer.path


def test_a_whole_log(wctl: Wctl, tmp_path: Path) -> None:
    logged(tmp_path / "root")
    ran = wctl("audit", "verify", str(tmp_path / "root"))
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.endswith("whole; 4 records in one file.\n")


def test_what_is_wrong_is_told_with_file_and_byte(wctl: Wctl, tmp_path: Path) -> None:
    log = logged(tmp_path / "root", Seal(tmp_path / "seal", b"key"))
    text = log.read_bytes()
    log.write_bytes(text.replace(b"error", b"Error", 1))
    at = text.index(b'\n{"v":1', 10) + 1
    keys = {"RECORDER_SEAL": str(tmp_path / "seal"), "RECORDER_SEAL_KEY": "key"}
    ran = wctl("audit", "verify", str(tmp_path / "root"), **keys)
    assert (ran.code, ran.out) == (1, f"{log}: byte {at}: altered: it is not what was written\n")
    document = json.loads(wctl("audit", "verify", str(log), "--json", **keys).out)
    (problem,) = document["logs"][0]["problems"]
    assert (document["ok"], problem["file"], problem["offset"], problem["sequence"]) == (False, str(log), at, 2)


def test_nothing_in_a_log_drives_the_terminal(wctl: Wctl, tmp_path: Path) -> None:
    log = logged(tmp_path / f"ro\x1b[31m\u2028ot{RUDE[:4]}")
    with log.open("ab") as file:
        file.write(b"\x1b[2J forged\n")
    for more in ((), ("--json",)):
        ran = wctl("audit", "verify", str(log), *more)
        assert ran.code == 1
        assert all(character == "\n" or character.isprintable() for character in ran.out + ran.err)
    assert len(wctl("audit", "verify", str(log)).out.splitlines()) == 1


def test_a_path_that_holds_no_log(wctl: Wctl, tmp_path: Path) -> None:
    ran = wctl("audit", "verify", str(tmp_path))
    assert (ran.code, ran.out) == (2, "")
    assert "holds no audit log" in ran.err
