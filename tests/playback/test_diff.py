"""What changed between two recordings: everything that was meant is named, nothing that a new recording brings is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from playback.diff import Change, Diff, diff
from playback.diff_text import markdown, text
from tests.assembler.recorded import Call, api, form, get, profile_of
from tests.support import ROOT

SAMPLE = ROOT / "profiles/watershed-small"
LOGIN = (
    '<form method="post" action="/login"><input type="hidden" name="csrf_token" value="{}"><input name="email"></form>'
)


def work(token: str, number: int, *, total: int = 3, tail: Sequence[Call] = ()) -> list[Call]:
    """A login, an order, its page; ids and tokens as that instance gave them."""
    return [
        get("/login", LOGIN.format(token)),
        form("/login", f"csrf_token={token}&email=ada%40example.org", "<p>welcome</p>"),
        api("POST", "/api/orders", json.dumps({"id": number, "total": total}), '{"customer": "Ada", "count": 2}', status=201),
        api("GET", f"/api/orders/{number}", json.dumps({"id": number, "total": total, "lines": [1, 2]})),
        *tail,
    ]  # fmt: skip


def recorded(folder: Path, calls: Sequence[Call]) -> Path:
    profile_of(folder, calls)
    return folder / "data/profiles/_drafts/draft"


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return recorded(tmp_path / "first", work("8a1ce2b4f0d94b7793ca", 17))


def differs(first: Path, calls: Sequence[Call], tmp_path: Path) -> Diff:
    return diff(first, recorded(tmp_path / "second", calls), "profile", "draft")


def changes(found: Diff) -> list[tuple[str, str]]:
    return [(c.change, c.title.partition(" ")[2] or c.name) for c in found.steps]


def details(found: Diff) -> str:
    return "\n".join(line for change in [*found.steps, *found.comparisons] for line in change.details)


def test_the_same_work_recorded_again(first: Path, tmp_path: Path) -> None:
    found = differs(first, work("2f77b0c1aa9e4d10b6e5", 42), tmp_path)
    assert not found, list(text(found))
    assert found.unchanged == 4


def test_an_answer_changed(first: Path, tmp_path: Path) -> None:
    found = differs(first, work("2f77b0c1aa9e4d10b6e5", 42, total=4), tmp_path)
    assert [c for c, _ in changes(found)] == ["changed", "changed"]
    assert "answer: differs in 1 place\n  body:/total: 3 → 4" in details(found)


def test_a_step_came_between_others(first: Path, tmp_path: Path) -> None:
    calls = work("2f77b0c1aa9e4d10b6e5", 42)
    calls.insert(1, get("/terms", "<p>terms</p>"))
    found = differs(first, calls, tmp_path)
    assert changes(found) == [("added", "/terms")]
    assert (found.unchanged, list(found.steps[0].details)) == (4, ["expects: status 200"])


def test_a_step_went(first: Path, tmp_path: Path) -> None:
    calls = work("2f77b0c1aa9e4d10b6e5", 42)
    del calls[3]
    found = differs(first, calls, tmp_path)
    assert [c for c, _ in changes(found)] == ["removed"]


def test_other_steps_of_the_same_name(first: Path, tmp_path: Path) -> None:
    """A second page of the same path shifts the ids of those behind it; they are still the same steps."""
    before = recorded(tmp_path / "one", [get("/a", "1 apple"), get("/b/x", "2 pears"), get("/b/x", "3 plums")])
    after = recorded(
        tmp_path / "two", [get("/b/x", "2 pears"), get("/a", "1 apple"), get("/b/x", "2 pears"), get("/b/x", "3 plums")]
    )
    assert changes(diff(before, after)) == [("added", "/b/x")]


def test_two_steps_changed_places(tmp_path: Path) -> None:
    before = recorded(tmp_path / "one", [get("/a", "1"), get("/b", "2"), get("/c", "3")])
    after = recorded(tmp_path / "two", [get("/c", "3"), get("/a", "1"), get("/b", "2")])
    assert changes(diff(before, after)) == [("moved", "/a"), ("moved", "/b")] or changes(diff(before, after)) == [
        ("moved", "/c")
    ]


def test_what_is_sent(first: Path, tmp_path: Path) -> None:
    calls = work("2f77b0c1aa9e4d10b6e5", 42)
    calls[1] = form("/login", "csrf_token=2f77b0c1aa9e4d10b6e5&email=eve%40example.org&again=1", "<p>welcome</p>")
    calls[2] = api("POST", "/api/orders", '{"id": 42, "total": 3}', '{"customer": "Eve", "rush": true}', status=200)
    said = details(differs(first, calls, tmp_path))
    for line in (
        "field email: ada@example.org → eve@example.org",
        "field again: added, 1",
        "json /customer: Ada → Eve",
        "json /count: removed",
        "json /rush: added, true",
        "expected status: 201 → 200",
    ):
        assert line in said
    assert "csrf" not in said


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAMPLE, tmp_path / "sample"))


def test_a_profile_and_itself(sample: Path) -> None:
    assert not diff(SAMPLE, sample)


def edit(folder: Path, before: str, after: str) -> None:
    path = folder / "profile.yaml"
    assert path.read_text().count(before) >= 1
    path.write_text(path.read_text().replace(before, after, 1))


def test_files_and_rules(sample: Path) -> None:
    edit(
        sample,
        "  - target: landuse/landuse.csv\n    method: tabular_diff",
        "  - target: new.csv\n    method: text_diff",
    )
    edit(sample, "    method: json_exact", "    method: json_tolerance")
    edit(sample, "    where: body\n", "    where: body:*\n")
    edit(sample, "tags: [example, ", "tags: [")
    raster = sample / "baseline/run/watershed/slope.tif"
    raster.write_bytes((sample / "baseline/run/dem/dem.tif").read_bytes())
    upload = next(sample.glob("seed/uploads/*/burned.csv"))
    upload.write_text(upload.read_text() + "99,more\n")
    found = diff(SAMPLE, sample)
    kinds = {c.name: c.change for c in found.comparisons}
    assert (kinds["landuse/landuse.csv"], kinds["new.csv"], kinds["watershed/slope.tif"]) == (
        "removed",
        "added",
        "changed",
    )
    assert "method: json_exact → json_tolerance" in details(found)
    assert [(r.change, r.name.split()[-1]) for r in found.ignore] == [("removed", "body"), ("added", "body:*")]
    assert len(found.profile) == 1
    assert "metadata.tags" in found.profile[0]
    assert "bytes, sha256 " in details(found)


def test_what_people_read_is_safe_to_show() -> None:
    hostile = "`x` | <b>\x1b[31m"
    found = Diff("shop", "profile", "draft", [], [Change(hostile, "changed", hostile, [f"field a: {hostile} → y"])])
    assert "\x1b" not in "".join(text(found)) + markdown(found)
    assert "- changed **\\`x\\` \\| \\<b\\>" in markdown(found)
    assert "  - field a: `ˋxˋ | <b>" in markdown(found)
    assert json.loads(json.dumps(found.as_json()))["steps"][0]["change"] == "changed"
