"""From a draft to a profile: what stops it, and what stands there afterwards."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from assembler import promote as promotion
from assembler import sizes
from assembler.document import BadDocument, load_profile
from assembler.drafts import list_drafts
from assembler.promote import NotPromotable, promote
from assembler.storage import digest
from tests.assembler.deployment import SLUG, Deployment, contents

PSEUDONYM = "secret-token-" + "0123456789abcdef" * 2


@pytest.fixture
def site(tmp_path: Path) -> Deployment:
    """A draft without problems: a run, a page, an upload, a file to compare."""
    site = Deployment(tmp_path)
    site.run("dry-creek", {"active.cfg": "a"})
    capture = site.start()
    site.send("GET", "/runs/dry-creek/active/", "<h1>Dry Creek</h1>")
    site.upload("/runs/dry-creek/active/dem", ("dem.tif", b"II*\0"))
    site.run("dry-creek", {"out.csv": "a,b\n1,2\n"})
    site.end(capture)
    site.assemble()
    return site


def edit(site: Deployment, old: str, new: str) -> None:
    path = site.draft / "profile.yaml"
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1))


def tell(site: Deployment, **status: Any) -> None:
    path = site.draft / "status.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **status}))


def refusal(site: Deployment, **options: Any) -> str:
    with pytest.raises(NotPromotable) as caught:
        promote(SLUG, site.data_root, **options)
    assert not (site.data_root / "profiles" / SLUG).exists()
    assert site.draft.exists()
    return str(caught.value)


def test_a_promoted_profile_is_the_draft_without_what_is_the_drafts_own(site: Deployment) -> None:
    before = contents(site.draft)
    folder = promote(SLUG, site.data_root)
    assert folder == site.data_root / "profiles" / SLUG
    head, _, rest = before["profile.yaml"].partition(b"\n")
    assert head == b"# yaml-language-server: $schema=../../profile.schema.json"
    assert contents(folder) == {name: content for name, content in before.items() if name != "preview.json"} | {
        "manifest.json": (folder / "manifest.json").read_bytes(),
        "profile.yaml": b"# yaml-language-server: $schema=../profile.schema.json\n" + rest,
    }
    assert not (folder / "status.json").exists()
    assert load_profile(folder / "profile.yaml").metadata.slug == SLUG
    assert list_drafts(site.data_root) == []
    assert not (site.data_root / "profiles" / "_drafts" / ".snapshots" / SLUG).exists()


def test_the_manifest_is_of_what_was_promoted(site: Deployment) -> None:
    edit(site, "title: Work", "title: Better")
    (site.draft / "seed" / "run" / "extra.txt").write_text("added by hand")
    (site.draft / "README.md").unlink()
    folder = promote(SLUG, site.data_root)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    found = {p.relative_to(folder).as_posix(): digest(p) for p in folder.rglob("*") if p.is_file()}
    del found["manifest.json"]
    assert manifest == {"v": 1, "files": found}
    assert {"seed/run/extra.txt", "baseline/run/out.csv", "events.jsonl"} <= found.keys()


def test_an_older_profile_is_replaced_whole(site: Deployment) -> None:
    old = site.data_root / "profiles" / SLUG
    (old / "baseline").mkdir(parents=True)
    (old / "baseline" / "gone.csv").write_text("x")
    promote(SLUG, site.data_root)
    assert not (old / "baseline" / "gone.csv").exists()
    assert (old / "baseline" / "run" / "out.csv").exists()
    assert sorted(p.name for p in old.parent.iterdir()) == ["_drafts", "profile.schema.json", SLUG]


def test_the_draft_stays_until_the_profile_stands(site: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    old = site.data_root / "profiles" / SLUG
    old.mkdir()
    (old / "profile.yaml").write_text("old")
    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        promote(SLUG, site.data_root)
    assert contents(old) == {"profile.yaml": b"old"}
    assert site.draft.exists()
    assert sorted(p.name for p in old.parent.iterdir()) == ["_drafts", "profile.schema.json", SLUG]


def test_a_profile_is_the_old_or_the_new_one_when_promotion_is_killed(site: Deployment) -> None:
    old = site.data_root / "profiles" / SLUG
    old.mkdir()
    (old / "profile.yaml").write_text("old")
    child = os.fork()
    if child == 0:
        promotion.discard = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
        promote(SLUG, site.data_root)
        os._exit(0)
    os.waitpid(child, 0)
    assert load_profile(old / "profile.yaml").metadata.slug == SLUG
    assert site.draft.exists()
    promote(SLUG, site.data_root)
    assert list_drafts(site.data_root) == []


# ---------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("status", "said"),
    [(None, "is not ready"), ("{", "is not ready"), ("[]", "is not ready"), ('{"state": "assembling"}', "is still being recorded")],
)
def test_a_draft_that_is_not_ready(site: Deployment, status: str | None, said: str) -> None:
    path = site.draft / "status.json"
    path.unlink()
    if status is not None:
        path.write_text(status)
    assert f"The draft work {said}" in refusal(site)


def test_a_name_that_no_draft_has(site: Deployment) -> None:
    with pytest.raises(LookupError, match="did you mean 'work'"):
        promote("worrk", site.data_root)
    for slug in ("../work", "_drafts/work", "..", ""):
        with pytest.raises(ValueError, match="is not a profile name"):
            promote(slug, site.data_root)


def test_a_document_that_is_none(site: Deployment) -> None:
    edit(site, "steps:", "stepz:")
    with pytest.raises(BadDocument, match=r"profile\.yaml, line \d+: unknown key 'stepz'; did you mean 'steps'\?"):
        promote(SLUG, site.data_root)
    assert site.draft.exists()


def test_a_document_that_calls_itself_something_else(site: Deployment) -> None:
    edit(site, "slug: work", "slug: other")
    assert "calls itself 'other', and the draft is 'work'" in refusal(site)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    method: GET\n", f"    method: GET\n    query: token={PSEUDONYM}\n"),
        ("    method: GET\n", f"    method: GET\n    headers:\n      x-token: {PSEUDONYM}\n"),
        ("    method: GET\n", f"    method: GET\n    cookies: {{sid: {PSEUDONYM}}}\n"),
        ("    method: GET\n", f"    method: GET\n    form:\n      - [\"was:\", {PSEUDONYM}]\n"),
        ("    method: GET\n", f"    method: GET\n    json: |2\n      {{\n      \"location: x\": \"{PSEUDONYM}\"}}\n"),
        ("active/\"", f"active/{PSEUDONYM}\""),
        ("filename: dem.tif\n", f"filename: {PSEUDONYM}\n"),
    ],
    ids=["query", "header", "cookie", "form", "json", "path", "file name"],
)  # fmt: skip
def test_a_secret_that_was_not_resolved_is_named_with_its_line(site: Deployment, old: str, new: str) -> None:
    edit(site, old, new)
    sentence = refusal(site)
    assert "a secret of the recording is not resolved" in sentence
    lines = (site.draft / "profile.yaml").read_text().splitlines()
    number = next(n for n, line in enumerate(lines, 1) if PSEUDONYM in line)
    assert f"profile.yaml, line {number}: " in sentence


def test_the_line_that_is_named_is_no_remark(site: Deployment) -> None:
    edit(site, "    method: GET\n", f"    method: GET  # with {PSEUDONYM}\n    query: token={PSEUDONYM}\n")
    lines = (site.draft / "profile.yaml").read_text().splitlines()
    number = next(n for n, line in enumerate(lines, 1) if line.startswith("    query: "))
    assert f"profile.yaml, line {number}: " in refusal(site)


def test_a_secret_in_a_remark_or_an_expectation_is_none_that_is_sent(site: Deployment) -> None:
    edit(site, "    method: GET\n", f"    method: GET  # it was {PSEUDONYM}\n    note: {PSEUDONYM}\n")
    edit(site, "      status: 200\n", f"      status: 200\n      location: /?token={PSEUDONYM}\n")
    assert (promote(SLUG, site.data_root) / "profile.yaml").read_text().count(PSEUDONYM) == 3


def test_problems_stop_it_until_the_document_was_edited(site: Deployment) -> None:
    tell(site, problems=["step get-active: there is something wrong.", "And this.", "And that."])
    assert refusal(site) == "step get-active: there is something wrong. (2 more: wctl drafts show work)"
    os.utime(site.draft / "profile.yaml")
    assert refusal(site).startswith("step get-active")
    edit(site, "title: Work", "title: Mended")
    promote(SLUG, site.data_root)


@pytest.mark.parametrize("name", ["seed/run/large.bin", "baseline/run/large.bin"])
def test_a_large_file_is_to_be_looked_at_and_a_larger_one_stays_out(site: Deployment, name: str) -> None:
    large = site.draft / name
    with large.open("wb") as file:
        file.truncate((50 << 20) + 1)
    assert refusal(site) == f"{name} has 50 MiB. Review whether the profile needs it, then promote with --reviewed."
    with large.open("wb") as file:
        file.truncate((100 << 20) + 1)
    for reviewed in (False, True):
        assert refusal(site, reviewed=reviewed) == (
            f"{name} has 100 MiB; files over 100 MiB belong in Git LFS. Trim it, or track it: "
            f'git lfs track "profiles/work/{name.partition("/")[0]}/**" (in {site.data_root}).'
        )


def test_git_lfs_may_keep_a_larger_one(site: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "LOOKED_AT", 10)
    monkeypatch.setattr(sizes, "LARGEST", 20)
    (site.data_root / ".gitattributes").write_text("profiles/work/** filter=lfs\nprofiles/work/seed/** -filter\n")
    assert "seed/run/active.cfg" not in refusal(site)
    (site.draft / "seed/run/active.cfg").write_text("x" * 21)
    assert "seed/run/active.cfg has 0 MiB; files over 0 MiB belong in Git LFS." in refusal(site, reviewed=True)
    (site.data_root / ".gitattributes").write_text("profiles/work/** filter=lfs\n")
    assert "then promote with --reviewed" in refusal(site)
    promote(SLUG, site.data_root, reviewed=True)


def test_a_large_file_that_was_looked_at_goes_in(site: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "LOOKED_AT", 10)
    assert "Review whether the profile needs it" in refusal(site)
    folder = promote(SLUG, site.data_root, reviewed=True)
    assert (folder / "profile.yaml").stat().st_size > 10


@pytest.mark.parametrize("pattern", ["seed/uploads/*/dem.tif", "baseline/answers/*.html"])
def test_a_file_that_is_missing(site: Deployment, pattern: str) -> None:
    (missing,) = site.draft.glob(pattern)
    missing.unlink()
    name = missing.relative_to(site.draft).as_posix()
    assert refusal(site) == f"{name} is named in profile.yaml and is not in the draft."


def test_a_file_outside_of_the_draft_is_not_in_it(site: Deployment) -> None:
    edit(site, "file: seed/uploads/", "file: ../../../seed/uploads/")
    assert "is not in the draft" in refusal(site)


def test_links_are_refused(site: Deployment) -> None:
    (site.draft / "seed" / "run" / "key").symlink_to("/etc/hostname")
    assert refusal(site) == "seed/run/key is a link; put the file itself into the draft."
