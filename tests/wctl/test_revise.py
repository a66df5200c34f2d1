"""Keeping profiles true from the command line: by exit code and output."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from assembler.document import load_profile
from tests.wctl.conftest import ITEMS, Wctl, add_profile


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


def test_diff_with_a_draft_and_with_another(wctl: Wctl, tmp_path: Path) -> None:
    folder = add_profile(tmp_path)
    absent = wctl("diff", "tiny")
    assert (absent.code, absent.out, "No draft is called 'tiny'" in absent.err) == (2, "", True)
    draft = tmp_path / "profiles/_drafts/tiny"
    shutil.copytree(folder, draft)
    same = wctl("diff", "tiny", "--draft")
    assert (same.code, same.out) == (0, "tiny: profile → draft: no change in 3 steps\n")
    (draft / "bodies/items.json").write_text('{"total": 4}')
    found = wctl("diff", "tiny")
    assert found.code == 0
    assert "  ~ items: GET /items\n      answer: differs in 1 place\n        body:/total: 3 → 4\n" in found.out
    assert "- changed **items** `GET /items`" in wctl("diff", "tiny", "--markdown").out
    assert json.loads(wctl("diff", "tiny", "--json").out)["steps"][0]["name"] == "items"
    add_profile(tmp_path, "tiny-2")
    assert "no change in 3 steps" not in wctl("diff", "tiny", "--with", "profiles/_drafts/tiny").out
    assert wctl("diff", "tiny", "--with", "tiny-2").code == 0
    assert wctl("diff", "tiny", "--with", "tiny-3").code == 2
    assert wctl("diff", "tiny", "--with", "tiny-2", "--draft").code == 2


def test_update_a_profile(wctl: Wctl, tiny: str, wrong: str, tmp_path: Path) -> None:
    folder = add_profile(tmp_path)
    before = (folder / "bodies/items.json").read_text()
    same = wctl("update-profile", "tiny", "--base-url", tiny)
    assert (same.code, "needs no update" in same.err) == (0, True)
    shown = wctl("update-profile", "tiny", "--base-url", wrong)
    assert shown.code == 1
    assert shown.out.startswith("step items: GET /items\n  body:/total: expected 3, got 4\n")
    assert "wctl update-profile tiny --step items, or --all" in shown.err
    asked = wctl("update-profile", "tiny", "--base-url", wrong, "--step", "items")
    assert (asked.code, "Nothing was written" in asked.err) == (1, True)
    assert "- changed **items** `GET /items`\n  - answer: `differs in 1 place`\n  - body:/total: `3 → 4`\n" in asked.out
    for step, hint in (("itms", "did you mean 'items'?"), ("home", "there differ: items")):
        refused = wctl("update-profile", "tiny", "--base-url", wrong, "--step", step, "--yes")
        assert (refused.code, hint in refused.err) == (2, True)
    assert (folder / "bodies/items.json").read_text() == before
    done = wctl("update-profile", "tiny", "--base-url", wrong, "--all", "--yes")
    assert (done.code, done.out) == (0, asked.out)
    assert (folder / "bodies/items.json").read_text() == '{"total": 4}'
    assert wctl("run-test-profile", "tiny", "--base-url", wrong).code == 0
    assert wctl("run-test-profile", "tiny", "--base-url", tiny).code == 1


def test_update_is_refused_without_a_verdict(wctl: Wctl, tmp_path: Path) -> None:
    add_profile(tmp_path)
    ran = wctl("update-profile", "tiny", "--base-url", "http://127.0.0.1:9", "--all", "--yes")
    assert (ran.code, ran.out, "no verdict" in ran.err) == (2, "", True)


LAB = (
    ITEMS
    + """
overlays:
  lab:
    # What the lab's machine answers.
    base_url: {url}
    baseline_dir: lab
  field: {{base_url: "http://127.0.0.1:9"}}
"""
)


def test_an_overlay_gets_its_own_rules(wctl: Wctl, wrong: str, tmp_path: Path) -> None:
    folder = add_profile(tmp_path, text=LAB.replace("{url}", wrong))
    before = (folder / "profile.yaml").read_text()
    assert wctl("calibrate", "tiny", "--overlay", "lab", "--force", "--write").code == 0
    profile = load_profile(folder / "profile.yaml")
    assert (profile.ignore, [rule.where for rule in profile.overlays["lab"].ignore]) == ([], ["body:/total"])
    assert (folder / "profile.yaml").read_text().startswith(before.lstrip().partition("  field:")[0])
    assert wctl("run-test-profile", "tiny", "--overlay", "lab").code == 0
    assert wctl("run-test-profile", "tiny", "--base-url", wrong).code == 1
    misspelt = wctl("calibrate", "tiny", "--overlay", "lap")
    assert (misspelt.code, "no overlay 'lap'; did you mean 'lab'?" in misspelt.err) == (2, True)


def test_an_update_with_an_overlay(wctl: Wctl, wrong: str, tmp_path: Path) -> None:
    folder = add_profile(tmp_path, text=LAB.replace("{url}", wrong))
    shown = wctl("update-profile", "tiny", "--overlay", "lab")
    assert (shown.code, "wctl update-profile tiny --overlay lab --step items, or --all" in shown.err) == (1, True)
    done = wctl("update-profile", "tiny", "--overlay", "lab", "--all", "--yes")
    assert (done.code, "items changes for every environment" in done.err) == (0, True)
    assert (folder / "bodies/items.json").read_text() == '{"total": 4}'
    assert wctl("update-profile", "tiny", "--overlay", "lob", "--all").code == 2


def test_they_say_that_the_service_is_not_asked(wctl: Wctl, tiny: str, tmp_path: Path) -> None:
    add_profile(tmp_path)
    nowhere = {"PROFILE_PLAYBACK_URL": "http://127.0.0.1:9"}
    for command in ("calibrate", "update-profile"):
        ran = wctl(command, "tiny", "--base-url", tiny, **nowhere)
        assert (ran.code, ran.err.count("the service at PROFILE_PLAYBACK_URL is not asked")) == (0, 1)
