"""`import-har` and `export-har`: exit codes, what is said, what is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.assembler.har_making import GOLDEN, entry, log
from tests.wctl.conftest import Wctl, add_profile


def har(folder: Path, *entries: object) -> str:
    (folder / "some.har").write_text(json.dumps(log(*entries)))
    return "some.har"


def test_a_har_becomes_a_profile_and_a_har_again(wctl: Wctl, tmp_path: Path) -> None:
    file = har(tmp_path, entry(0), entry(1), entry(2, **{"request.url": "https://cdn.example/a.js"}))
    made = wctl("import-har", file, "--slug", "pages")
    assert (made.code, made.out) == (0, f"{tmp_path}/profiles/_drafts/pages\n")
    assert "Draft pages: ready, 2 steps" in made.err
    assert (tmp_path / "profiles" / "profile.schema.json").is_file()
    assert "  note: Of the HAR only requests to http://site.example are in here; 1 to others" in made.err
    assert wctl("drafts", "show", "pages").code == 0
    drafted = wctl("export-har", "pages", "--to", "draft.har")
    assert (drafted.code, drafted.out) == (0, "draft.har\n")
    assert wctl("promote", "pages").code == 0
    again = wctl("export-har", "pages")
    assert (again.code, again.out) == (0, "pages.har\n")
    assert "2 requests. Open it in the network panel" in again.err
    assert json.loads((tmp_path / "pages.har").read_text()) == json.loads((tmp_path / "draft.har").read_text())
    refused = wctl("export-har", "pages")
    assert (refused.code, refused.out, refused.err) == (2, "", "pages.har exists; choose another name.\n")
    other = wctl("import-har", file, "--slug", "cdn", "--origin", "https://cdn.example")
    assert (other.code, "1 step\n" in other.err) == (0, True)


def test_what_is_missing_in_a_har_is_a_problem_of_the_draft(wctl: Wctl) -> None:
    made = wctl("import-har", str(GOLDEN / "chromium.har"), "--slug", "shop")
    assert made.code == 2
    assert "  problem: step post-items-photo: the file 'lamp.png' was not stored" in made.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["import-har", "absent.har", "--slug", "a"], "absent.har: No such file or directory."),
        (["import-har", ".", "--slug", "a"], ".: Is a directory."),
        (["import-har", "some.har", "--slug", "A b"], "is not a profile name"),
        (["import-har", "some.har"], "Missing option '--slug'"),
        (
            ["import-har", "some.har", "--slug", "a", "--origin", "http://sight.example"],
            "did you mean 'http://site.example'?",
        ),
        (["import-har", "text.har", "--slug", "a"], "text.har is not JSON"),
        (["export-har", "absent"], "No draft is called 'absent'"),
        (["export-har", "../absent"], "is not a profile name"),
        (["export-har", "by-hand"], "has no events.jsonl: it was not recorded"),
    ],
)
def test_every_fault_is_a_sentence(wctl: Wctl, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    har(tmp_path, entry(0))
    (tmp_path / "text.har").write_text("no HAR")
    add_profile(tmp_path, "by-hand")
    ran = wctl(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert sentence in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "profiles/_drafts/a").exists()
