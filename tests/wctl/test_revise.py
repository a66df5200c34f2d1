"""Keeping profiles true from the command line: by exit code and output."""

from __future__ import annotations

import json
from pathlib import Path

from tests.wctl.conftest import Wctl, add_profile


def test_calibrate_a_quiet_application(wctl: Wctl, tiny: str, tmp_path: Path) -> None:
    add_profile(tmp_path)
    ran = wctl("calibrate", "tiny", "--base-url", tiny)
    assert (ran.code, ran.out) == (0, "")
    assert "tiny needs no rule" in ran.err


def test_calibrate_does_not_hide_a_regression(wctl: Wctl, wrong: str, tmp_path: Path) -> None:
    folder = add_profile(tmp_path)
    before = (folder / "profile.yaml").read_text()
    ran = wctl("calibrate", "tiny", "--base-url", wrong, "--write")
    assert (ran.code, "not proposed, it would hide a whole body" in ran.out) == (1, True)
    assert "Nothing was written" in ran.err
    assert (folder / "profile.yaml").read_text() == before
    forced = wctl("calibrate", "tiny", "--base-url", wrong, "--force", "--json")
    assert forced.code == 0
    rule = json.loads(forced.out)["proposals"][0]
    assert (rule["step"], rule["where"], rule["steady"]) == ("items", "body:/total", True)
    assert (folder / "profile.yaml").read_text() == before
    assert wctl("calibrate", "tiny", "--base-url", wrong, "--force", "--write").code == 0
    assert "proposed_by: calibrate" in (folder / "profile.yaml").read_text()
    assert wctl("run-test-profile", "tiny", "--base-url", wrong).code == 0


def test_calibrate_without_an_application(wctl: Wctl, tmp_path: Path) -> None:
    add_profile(tmp_path)
    assert wctl("calibrate", "tiny", "--base-url", "http://127.0.0.1:9").code == 2
    assert wctl("calibrate", "tinny", "--base-url", "http://127.0.0.1:9").code == 2
