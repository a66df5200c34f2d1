"""Drafts that wait for review: listed, shown, handed over, thrown away."""

from __future__ import annotations

import json
import os
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assembler.drafts import discard, export, folder_of, list_drafts, show
from tests.assembler.deployment import SLUG, Deployment, contents


@pytest.fixture
def site(tmp_path: Path) -> Deployment:
    site = Deployment(tmp_path)
    for slug in (SLUG, "small-watershed"):
        site.run("dry-creek", {"active.cfg": "a"})
        capture = site.start(slug)
        site.send("GET", "/runs/dry-creek/active/")
        site.end(capture)
        site.assemble(slug=slug)
    return site


def test_drafts_are_listed_the_oldest_first(site: Deployment) -> None:
    before = datetime.now(UTC)
    first, second = list_drafts(site.data_root)
    assert (first.slug, second.slug) == (SLUG, "small-watershed")
    assert (first.state, first.steps, first.problems, first.warnings) == ("ready", 1, [], [])
    assert first.made < second.made < before
    assert first.expires == first.made + timedelta(days=30)
    assert first.directory == site.draft


def test_no_drafts(tmp_path: Path) -> None:
    assert list_drafts(tmp_path) == []
    with pytest.raises(LookupError, match=r"No draft is called 'x' .*; there are none\."):
        show("x", tmp_path)


@pytest.mark.parametrize("status", [None, b"", b"{", b"[]", b"5", b'{"made": "x"}'])
def test_a_draft_that_is_not_ready_is_listed_as_such(site: Deployment, status: bytes | None) -> None:
    path = site.data_root / "profiles" / "_drafts" / SLUG / "status.json"
    path.unlink()
    if status is not None:
        path.write_bytes(status)
    os.utime(path.parent, (1_700_000_000, 1_700_000_000))
    draft = list_drafts(site.data_root)[0]
    assert (draft.slug, draft.state, draft.steps, draft.problems) == (SLUG, "assembling", 0, [])
    assert draft.expires == datetime(2023, 12, 14, 22, 13, 20, tzinfo=UTC)


def test_a_draft_shows_its_steps(site: Deployment) -> None:
    shown = show(SLUG, site.data_root)
    assert shown["status"]["state"] == "ready"
    assert [step["path"] for step in shown["preview"]["steps"]] == ["/runs/{{ run_id }}/active/"]
    assert datetime.fromisoformat(shown["expires"]) > datetime.now(UTC) + timedelta(days=29)
    json.dumps(shown)


def test_the_nearest_draft_is_named(site: Deployment) -> None:
    with pytest.raises(LookupError, match="did you mean 'small-watershed'"):
        show("smal-watershed", site.data_root)
    with pytest.raises(LookupError, match=r"there are: small-watershed, work\."):
        folder_of("zzz", site.data_root)


@pytest.mark.parametrize("slug", ["..", "../work", "/etc", "", ".previous", ".snapshots", "a/b", "a\0b", "a..b"])
def test_no_name_leads_out_of_the_drafts(site: Deployment, slug: str) -> None:
    for use in (folder_of, show, discard):
        with pytest.raises(ValueError, match="is not a profile name"):
            use(slug, site.data_root)
    with pytest.raises(ValueError, match="is not a profile name"):
        export(slug, site.data_root, site.folder / "x.zip")
    assert len(list_drafts(site.data_root)) == 2


def test_a_draft_is_packed_whole(site: Deployment) -> None:
    folder = folder_of(SLUG, site.data_root)
    os.utime(folder / "README.md", (0, 0))
    (folder / "leads-out").symlink_to("/etc/hostname")
    packed = export(SLUG, site.data_root, site.folder / "new" / "draft.zip")
    (folder / "leads-out").unlink()
    with zipfile.ZipFile(packed) as archive:
        names = {name: archive.read(name) for name in archive.namelist()}
    status = {f"{SLUG}/status.json": (folder / "status.json").read_bytes()}
    assert names == {f"{SLUG}/{name}": content for name, content in contents(folder).items()} | status


def test_nothing_is_overwritten_by_a_packed_draft(site: Deployment) -> None:
    target = site.folder / "draft.zip"
    target.write_text("mine")
    with pytest.raises(FileExistsError, match=r"draft\.zip exists; choose another name\."):
        export(SLUG, site.data_root, target)
    assert target.read_text() == "mine"


def test_a_draft_may_be_packed_into_its_own_folder(site: Deployment) -> None:
    folder = folder_of(SLUG, site.data_root)
    with zipfile.ZipFile(export(SLUG, site.data_root, folder / "draft.zip")) as archive:
        assert f"{SLUG}/draft.zip" not in archive.namelist()


def test_a_discarded_draft_is_gone_and_the_others_are_not(site: Deployment) -> None:
    log = site.log().read_bytes()
    assert discard(SLUG, site.data_root) == site.draft
    assert [draft.slug for draft in list_drafts(site.data_root)] == ["small-watershed"]
    assert [p.name for p in (site.data_root / "profiles" / "_drafts" / ".snapshots").iterdir()] == ["small-watershed"]
    assert site.log().read_bytes() == log
    with pytest.raises(LookupError):
        discard(SLUG, site.data_root)
