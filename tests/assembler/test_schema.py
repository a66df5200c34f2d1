"""Editors complete profiles: the first line of each document leads to a schema that is there, and stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assembler.document import load_profile
from assembler.profile import Ignore
from assembler.promote import promote
from assembler.revision import with_expectations, with_rules
from assembler.schema import place
from tests.assembler.deployment import SLUG, Deployment
from tests.support import ROOT

PREFIX = "# yaml-language-server: $schema="


def schema_of(document: Path) -> Path:
    """The file that an editor reads for a document: its first line, resolved against its folder."""
    first = document.read_text().partition("\n")[0]
    assert first.startswith(PREFIX)
    return document.parent / first.removeprefix(PREFIX)


@pytest.fixture
def site(tmp_path: Path) -> Deployment:
    site = Deployment(tmp_path)
    capture = site.start()
    site.send("GET", "/", "<h1>Hello</h1>")
    site.end(capture)
    site.assemble()
    return site


def draft_of(site: Deployment) -> Path:
    return site.data_root / "profiles" / "_drafts" / SLUG / "profile.yaml"


def test_a_draft_leads_to_it_and_a_profile_too(site: Deployment) -> None:
    beside = place(site.data_root)
    assert json.loads(beside.read_bytes())["title"] == "profile.yaml"
    assert schema_of(draft_of(site)).samefile(beside)
    beside.unlink()
    assert schema_of(promote(SLUG, site.data_root) / "profile.yaml").samefile(beside)


def test_it_is_the_one_of_this_version(site: Deployment) -> None:
    beside = place(site.data_root)
    content, moment = beside.read_bytes(), beside.stat().st_mtime_ns
    place(site.data_root)
    assert beside.stat().st_mtime_ns == moment
    beside.write_text("{}")
    place(site.data_root)
    assert beside.read_bytes() == content


def test_the_profile_of_this_repository_leads_to_it() -> None:
    assert schema_of(ROOT / "profiles" / "watershed-small" / "profile.yaml").samefile(
        ROOT / "profiles" / "profile.schema.json"
    )


def test_edits_leave_the_line_where_it_is(site: Deployment) -> None:
    folder = promote(SLUG, site.data_root)
    text = (folder / "profile.yaml").read_text()
    first = text.partition("\n")[0]
    (step,) = load_profile(folder / "profile.yaml").steps
    for changed in (
        with_rules(text, [Ignore(where="body", why="it varies")]),
        with_expectations(text, {step.id: {"status": 201}}),
    ):
        assert changed != text
        assert changed.partition("\n")[0] == first


@pytest.mark.parametrize(
    ("begins", "becomes"),
    [
        ("", f"{PREFIX}../profile.schema.json\n"),
        (f"{PREFIX}profile.schema.json\n", f"{PREFIX}../profile.schema.json\n"),
        ("# Mine.\n" + PREFIX + "../../profile.schema.json\n", "# Mine.\n" + PREFIX + "../profile.schema.json\n"),
        (f"{PREFIX}https://example.org/own.json\n", f"{PREFIX}https://example.org/own.json\n"),
        (f"{PREFIX}../../own/profile.schema.json\n", f"{PREFIX}../../own/profile.schema.json\n"),
    ],
    ids=["none", "moved", "further down", "another", "a folder of its own"],
)
def test_promotion_rewrites_the_line_that_was_ours(site: Deployment, begins: str, becomes: str) -> None:
    path = draft_of(site)
    rest = path.read_text().partition("\n")[2]
    path.write_text(begins + rest)
    assert (promote(SLUG, site.data_root) / "profile.yaml").read_text() == becomes + rest
