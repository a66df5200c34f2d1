"""`archive` and `housekeeping` by exit code and output."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from recorder.events import envelope
from recorder.log import Writer
from tests.wctl.conftest import Wctl, add_profile

DAY = 86_400


def add_draft(root: Path, slug: str, days: float) -> Path:
    folder = root / "profiles/_drafts" / slug
    folder.mkdir(parents=True)
    (folder / "status.json").write_text(json.dumps({"state": "ready", "steps": 1, "made": time.time() - days * DAY}))
    return folder


def test_archive(wctl: Wctl, tmp_path: Path) -> None:
    folder = add_profile(tmp_path)
    refused = wctl("archive", "tiny")
    assert (refused.code, refused.out, "--why" in refused.err, folder.exists()) == (2, "", True, True)
    done = wctl("archive", "tiny", "--why", "Nobody uses it.")
    assert done.code == 0
    assert "Nobody uses it." in (Path(done.out.strip()) / "RATIONALE.md").read_text()
    gone = wctl("run-test-profile", "tiny", "--base-url", "http://127.0.0.1:9")
    assert (gone.code, "it was archived" in gone.err) == (2, True)
    assert wctl("archive", "tiny", "--why", "Again.").code == 2


def test_housekeeping(wctl: Wctl, tmp_path: Path) -> None:
    profile = add_profile(tmp_path)
    assert wctl("housekeeping").err == "Nothing is due.\n"
    old, soon = add_draft(tmp_path, "old", 31), add_draft(tmp_path, "soon", 25)
    assert ", expires 20" in wctl("drafts", "list").out
    would = wctl("housekeeping", "--dry-run")
    assert (would.code, old.exists()) == (0, True)
    assert would.out.startswith("would remove draft old, made 20")
    done = wctl("housekeeping")
    assert (done.code, old.exists(), soon.exists(), profile.exists()) == (0, False, True, True)
    assert [line.partition(",")[0] for line in done.out.splitlines()] == ["removed draft old", "notice: draft soon"]


def test_housekeeping_in_a_loop_ends_when_told(wctl: Wctl, tmp_path: Path) -> None:
    add_draft(tmp_path, "old", 31)
    with wctl.start("housekeeping", "--loop") as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("removed draft old")
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 0


def test_housekeeping_looks_after_logs(wctl: Wctl, tmp_path: Path) -> None:
    writer = Writer(tmp_path / ".recorder" / "_logs", tmp_path / ".recorder")
    assert writer.append(envelope("system_log", None, {"kind": "error"}))
    assert wctl("housekeeping").err == "Nothing is due.\n"
    os.utime(writer.path, (time.time() - 8 * DAY,) * 2)
    would = wctl("housekeeping", "--dry-run")
    assert would.out.startswith(f"would compress {writer.path}, last changed 20")
    assert writer.path.exists()
    done = wctl("housekeeping")
    assert (done.out.startswith(f"compressed {writer.path}"), writer.path.exists()) == (True, False)
    assert "1 things were done in the logs" in done.err
    refused = wctl("housekeeping", RECORDER_EXPIRE_DAYS="soon")
    assert (refused.code, "RECORDER_EXPIRE_DAYS is 'soon'" in refused.err) == (2, True)
    assert wctl("audit", "verify", str(tmp_path / ".recorder")).code == 0
