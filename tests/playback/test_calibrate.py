"""Calibrating: what varies is proposed as narrow as it is, what changed is not, and what is written works."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from assembler.document import BadDocument, load_profile
from assembler.profile import Ignore
from assembler.revision import with_rules
from playback.calibrate import Calibration, calibrate, write
from playback.engine import Options, replay
from tests.playback.site import JSON, PAGE, TEXT, Answer, Site, computes, profile, run_profile

WORDS = itertools.cycle(["amber", "birch", "cedar", "dahlia", "elder", "fern", "gorse"])

DOCUMENT = """# A profile that somebody wrote with care.
metadata:
  slug: shop   # its name
  recorded_with: {origin: "http://127.0.0.1:1"}
steps:
  - id: total
    path: /total
    expect: {status: 200, media_type: application/json, body: baseline/answers/total.json}
  - id: page
    path: /page
    expect: {status: 200, media_type: text/html, body: baseline/answers/page.html}
# Rules.
ignore:
  - step: page
    where: body:text 9
    why: "it is: a sample"   # kept
notes: "the end"
"""
TOTAL = {"total": 3, "sample": "recorded", "load[1]": "recorded", "load1": "low"}
PAGE_TEXT = "<html><body><p>Total 3</p><p>Word {}</p></body></html>"


@pytest.fixture
def site() -> Iterator[Site]:
    routes = {
        "/total": lambda sent: Answer({**TOTAL, "sample": next(WORDS), "load[1]": next(WORDS)}),
        "/page": lambda sent: Answer(PAGE_TEXT.format(next(WORDS)), PAGE),
    }
    with Site(routes) as running:
        yield running


def shop(root: Path, document: str = DOCUMENT) -> Path:
    files = {"baseline/answers/total.json": TOTAL, "baseline/answers/page.html": PAGE_TEXT.format("recorded")}
    return profile(root, document, files)


def calibrated(root: Path, site: Site, *, force: bool = False) -> Calibration:
    return calibrate("shop", root, Options(site.url), {}, force=force)


def test_what_varies_is_proposed_and_hides_nothing_else(tmp_path: Path, site: Site) -> None:
    folder = shop(tmp_path)
    found = calibrated(tmp_path, site)
    assert (found.exit_code, found.failures, found.refused) == (0, [], [])
    assert sorted((p.step, p.where, p.steady) for p in found.proposals) == [
        ("page", "body:text 2", False),
        ("total", "body:/load[1]", False),
        ("total", "body:/sample", False),
    ]
    assert {p.rule.proposed_by for p in found.proposals} == {"calibrate"}
    assert '"recorded"' in found.proposals[0].why
    assert found.masked.masked == 3
    assert 0 < found.masked.share < 1
    assert (folder / "profile.yaml").read_text() == DOCUMENT
    assert list((tmp_path / "playback_runs").glob("*")) == []

    assert write("shop", tmp_path, found.proposals) == folder / "profile.yaml"
    text = (folder / "profile.yaml").read_text()
    added = text.removeprefix(DOCUMENT[: DOCUMENT.index("notes:")]).removesuffix('notes: "the end"\n')
    assert added.count("  - step: ") == 3
    assert added.startswith("  - step: ")
    assert json.loads((folder / "manifest.json").read_text())["files"].keys() == {
        "profile.yaml", "baseline/answers/total.json", "baseline/answers/page.html"
    }  # fmt: skip
    green = replay("shop", tmp_path, Options(site.url), {})
    assert (green.result, green.masked.masked) == ("passed", 3)
    site.routes["/total"] = lambda sent: Answer({**TOTAL, "load1": "high"})
    red = replay("shop", tmp_path, Options(site.url), {})
    assert [(m.where, m.actual) for m in red.steps[0].mismatches] == [("body:/load1", "high")]


def test_nothing_differs(tmp_path: Path, site: Site) -> None:
    shop(tmp_path)
    site.routes["/total"] = lambda sent: Answer(TOTAL)
    site.routes["/page"] = lambda sent: Answer(PAGE_TEXT.format("recorded"), PAGE)
    found = calibrated(tmp_path, site)
    assert (found.exit_code, found.proposals) == (0, [])


def test_what_is_the_same_in_both_replays_is_told_apart(tmp_path: Path, site: Site) -> None:
    shop(tmp_path)
    site.routes["/total"] = lambda sent: Answer({**TOTAL, "total": 4})
    found = calibrated(tmp_path, site)
    steady = next(p for p in found.proposals if p.step == "total")
    assert (steady.where, steady.steady) == ("body:/total", True)
    assert steady.why == "recorded 3, 4 in both replays"


def test_an_application_that_keeps_what_the_first_replay_left(tmp_path: Path, site: Site) -> None:
    shop(tmp_path)
    asked = itertools.count(3)
    site.routes["/total"] = lambda sent: Answer({**TOTAL, "total": next(asked)})
    site.routes["/page"] = lambda sent: Answer(PAGE_TEXT.format("recorded"), PAGE)
    found = calibrated(tmp_path, site)
    assert [p.why for p in found.proposals] == ["recorded 3, 4 in one replay of two"]
    assert "Reset it" in found.notes[0]
    assert found.notes[0] in list(found.lines())


def test_a_status_is_a_failure(tmp_path: Path, site: Site) -> None:
    shop(tmp_path)
    site.routes["/total"] = lambda sent: Answer({"error": next(WORDS)}, status=500)
    found = calibrated(tmp_path, site)
    assert found.exit_code == 1
    assert {p.step for p in found.proposals} == {"page"}
    assert any(s.startswith("Step total, status: recorded 200, 500") for s in found.failures)


@pytest.mark.parametrize(
    ("live", "recorded", "media_type"),
    [
        (lambda: b"\x00" + next(WORDS).encode(), b"\x00recorded", "image/png"),
        (lambda: json.dumps({"value": next(WORDS)}), b'{"value": "recorded"}', JSON),
        (lambda: json.dumps([1] * (len(next(WORDS)) + 5)), b"[1]", JSON),
        (lambda: "\n".join([next(WORDS)] * 3), b"recorded", TEXT),
        (lambda: f"<html><body>{next(WORDS)}</body></html>", b"<html><body>recorded</body></html>", PAGE),
    ],
    ids=["bytes", "the only value", "a list", "more lines", "the only text"],
)
def test_a_whole_body_is_hidden_only_by_force(tmp_path: Path, site: Site, live, recorded, media_type) -> None:  # type: ignore[no-untyped-def]
    document = DOCUMENT.replace("media_type: application/json", f"media_type: {media_type}")
    folder = shop(tmp_path, document)
    (folder / "baseline/answers/total.json").write_bytes(recorded)
    site.routes["/total"] = lambda sent: Answer(live(), media_type)
    found = calibrated(tmp_path, site)
    assert found.exit_code == 1
    assert {p.step for p in found.proposals} == {"page"}
    assert {p.step for p in found.refused} == {"total"}
    forced = calibrated(tmp_path, site, force=True)
    assert forced.exit_code == 0
    assert {p.step for p in forced.proposals} == {"page", "total"}


def test_files_of_the_run(tmp_path: Path, site: Site) -> None:
    folder = run_profile(tmp_path)
    site.routes["/compute"] = computes(tmp_path, sample=lambda: next(WORDS))
    found = calibrated(tmp_path, site)
    assert (found.exit_code, [(p.step, p.where) for p in found.proposals]) == (0, [("out/result.json", "body:/sample")])
    write("shop", tmp_path, found.proposals)
    assert load_profile(folder / "profile.yaml").ignore == [found.proposals[0].rule]
    assert replay("shop", tmp_path, Options(site.url), {}).result == "passed"
    site.routes["/compute"] = computes(tmp_path, "a,b\n1,3\n", loss=13.0)
    found = calibrated(tmp_path, site)
    assert found.exit_code == 1
    assert len(found.failures) == 1
    assert found.failures[0].startswith("The file out/table.csv (exact_hash)")


def test_an_application_that_is_not_there(tmp_path: Path) -> None:
    shop(tmp_path)
    found = calibrate("shop", tmp_path, Options("http://127.0.0.1:9"), {})
    assert (found.exit_code, len(found.reports)) == (2, 1)


RULE = Ignore(step="a", where="body:/x: y # z", why='he said "no"', proposed_by="calibrate")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("metadata: {slug: a}\n", "metadata: {slug: a}\nignore:\n  - step: a\n"),
        ("metadata: {slug: a}\nsteps:\n- {id: s, path: /}\n# end\n", "- {id: s, path: /}\n"),
        ("metadata: {slug: a}\nignore: []\nnotes: x\n", "ignore:\n  - step: a\n"),
        (
            "metadata: {slug: a}\nignore:\n- {where: b, why: c}\nnotes: x\n",
            "ignore:\n- {where: b, why: c}\n- step: a\n",
        ),
        ("metadata: {slug: a}\nignore: [{where: b, why: c}]\n", "ignore: [{where: b, why: c}, {step: a,"),
        ("metadata: {slug: a}\nnotes: |2-\n  one\n  two\n", "  one\n  two\n"),
    ],
)
def test_rules_are_added_in_the_documents_own_hand(tmp_path: Path, before: str, after: str) -> None:
    text = with_rules(before, [RULE])
    assert after in text
    (tmp_path / "profile.yaml").write_text(text)
    assert load_profile(tmp_path / "profile.yaml").ignore[-1] == RULE


def test_a_document_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadDocument):
        with_rules("metadata: {slug: a, sulg: b}\n", [RULE])
