"""A draft that is curated: one place changes, every comment stays, and two people do not overwrite each other."""

from __future__ import annotations

import difflib
import json
import threading
from pathlib import Path

import pytest

from assembler import curation
from assembler.curation import Outdated, curate, version_of
from assembler.document import BadDocument, loads_profile
from assembler.promote import NotPromotable, obstacles, promote
from tests.support import ROOT

SAMPLE = (ROOT / "profiles/watershed-small/profile.yaml").read_text("utf-8")
SMALL = """# the head
metadata:
  slug: shop
steps:
  # POST /cart → 302
  - id: add
    method: POST
    path: /cart   # the cart
    expect: {status: 302}
    extract:
      cart: {header: location}
  # GET /cart → 200
  - id: look
    path: "/cart/{{ steps.add.cart }}"
    after: [add]
    expect:
      status: 200  # as it was
  - id: pay
    path: /pay
    after:
      - look
      - add
    json: |-
      {"cart": "{{ steps.add.cart }}", "note": "steps.add.cart"}
comparisons:
  - target: out/a.csv
    method: tabular_diff  # by its ending .csv
    params:
      # how much
      tolerance: 0.1
  - target: out/b.txt
ignore:
  - step: look
    where: body:/clock
    why: a clock
"""


def changed(before: str, after: str) -> list[str]:
    rows = difflib.unified_diff(before.split("\n"), after.split("\n"), lineterm="", n=0)
    return [row for row in rows if not row.startswith(("---", "+++", "@@"))]


def test_a_step_is_renamed_wherever_it_is_named() -> None:
    after = curation.rename_step(SMALL, "add", "fill-cart")
    assert changed(SMALL, after) == [
        "-  - id: add",
        "+  - id: fill-cart",
        '-    path: "/cart/{{ steps.add.cart }}"',
        "-    after: [add]",
        '+    path: "/cart/{{ steps.fill-cart.cart }}"',
        "+    after: [fill-cart]",
        "-      - add",
        "+      - fill-cart",
        '-      {"cart": "{{ steps.add.cart }}", "note": "steps.add.cart"}',
        '+      {"cart": "{{ steps.fill-cart.cart }}", "note": "steps.add.cart"}',
    ]
    assert "+  - step: view" in changed(SMALL, curation.rename_step(SMALL, "look", "view"))


@pytest.mark.parametrize(
    ("name", "sentence"), [("look", "another step"), ("a b", "no name for a step"), ("../x", "no name")]
)
def test_a_name_that_cannot_be(name: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        curation.rename_step(SMALL, "add", name)


def test_a_dropped_step_takes_its_own_remark_along_and_nothing_else() -> None:
    after = curation.drop_step(SMALL, "look")
    assert changed(SMALL, after) == [
        "-  # GET /cart → 200",
        "-  - id: look",
        '-    path: "/cart/{{ steps.add.cart }}"',
        "-    after: [add]",
        "-    expect:",
        "-      status: 200  # as it was",
        "-      - look",
    ]
    assert [s.after for s in loads_profile(after).steps] == [None, ["add"]], "who waited for it waits for what it did"


def test_a_step_whose_answer_is_needed_stays() -> None:
    with pytest.raises(
        ValueError, match=r"add cannot go: look sends 'cart', which is taken from its answer\. Drop look"
    ):
        curation.drop_step(SMALL, "add")


def test_what_is_expected() -> None:
    after = curation.expect(SMALL, "look", {"status": 204, "contains": "# no: remark"})
    assert changed(SMALL, after) == [
        "-      status: 200  # as it was",
        "+      status: 204  # as it was",
        '+      contains: "# no: remark"',
    ]
    assert changed(SMALL, curation.expect(SMALL, "pay", {"status": 200, "location": None}))[-2:] == [
        "+    expect:",
        "+      status: 200",
    ]
    nothing = curation.expect(SMALL, "look", {"status": None})
    assert loads_profile(nothing).steps[1].expect is not None
    assert loads_profile(nothing).steps[1].expect.status is None  # type: ignore[union-attr]
    with pytest.raises(BadDocument, match="by hand"):  # written on one line: nothing is guessed
        curation.expect(SMALL, "add", {"contains": "x"})


def test_titles_files_and_rules() -> None:
    titled = curation.title_step(SMALL, "look", "Look at 'it': \"now\"")
    assert loads_profile(titled).steps[1].title == "Look at 'it': \"now\""
    assert curation.title_step(titled, "look", None) == SMALL
    told = curation.set_comparison(SMALL, "out/a.csv", "tabular_diff", {"tolerance": 0.2})
    assert changed(SMALL, told)[-1] == "+    params: {tolerance: 0.2}"
    assert "# by its ending" in told
    assert (
        loads_profile(curation.set_comparison(SMALL, "out/b.txt", "text_diff", {})).comparisons[1].method == "text_diff"
    )
    assert changed(SMALL, curation.drop_comparison(SMALL, "out/b.txt")) == ["-  - target: out/b.txt"]
    assert changed(SMALL, curation.drop_rule(SMALL, "look", "body:/clock"))[0] == "-ignore:"


def test_every_step_of_a_real_draft_can_be_renamed_and_most_dropped() -> None:
    profile = loads_profile(SAMPLE)
    steps = [step.id for step in [*profile.prologue, *profile.steps]]
    dropped = 0
    for step in steps:
        nothing = curation.expect(SAMPLE, step, {"status": None, "media_type": None, "location": None})
        assert {row.split(":")[0].strip("- ") for row in changed(SAMPLE, nothing)} <= {
            "status",
            "media_type",
            "location",
        }
        after = curation.rename_step(SAMPLE, step, f"{step}.x")
        assert curation.rename_step(after, f"{step}.x", step) == SAMPLE
        answers = {e for s in [*profile.prologue, *profile.steps] if s.id == step for e in s.extract}
        if answers:
            with pytest.raises(ValueError, match="is taken from its answer"):
                curation.drop_step(SAMPLE, step)
        else:
            dropped += 1
            rows = changed(SAMPLE, curation.drop_step(SAMPLE, step))
            assert not [row for row in rows if row.startswith("+")]
    assert dropped > len(steps) / 2


def a_draft(root: Path, text: str = SMALL, **status: object) -> Path:
    folder = root / "profiles/_drafts/shop"
    (folder / "seed/uploads/1").mkdir(parents=True)
    (folder / "profile.yaml").write_text(text)
    (folder / "status.json").write_text(json.dumps({"state": "ready", "problems": [], **status}))
    return folder


def test_only_who_has_seen_the_draft_changes_it(tmp_path: Path) -> None:
    folder = a_draft(tmp_path)
    seen = version_of(SMALL)
    curate("shop", tmp_path, seen, lambda text: curation.rename_step(text, "pay", "buy"))
    with pytest.raises(Outdated, match="changed by somebody else"):
        curate("shop", tmp_path, seen, lambda text: curation.drop_step(text, "look"))
    assert (folder / "profile.yaml").read_text() == SMALL.replace("id: pay", "id: buy")
    a_draft(tmp_path / "open", state="assembling")
    with pytest.raises(ValueError, match="still being recorded"):
        curate("shop", tmp_path / "open", seen, lambda text: text)


def test_of_two_at_once_one_is_told(tmp_path: Path) -> None:
    a_draft(tmp_path)
    outcomes: list[str] = []

    def work(name: str) -> None:
        try:
            curate("shop", tmp_path, version_of(SMALL), lambda text: curation.rename_step(text, "pay", name))
            outcomes.append("written")
        except Outdated:
            outcomes.append("told")

    threads = [threading.Thread(target=work, args=(f"buy-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["told"] * 7 + ["written"]


def test_what_a_dropped_step_sent_is_not_committed(tmp_path: Path) -> None:
    text = SMALL.replace(
        "  - id: pay\n", "  - id: upload\n    path: /up\n    body: seed/uploads/1/a.bin\n  - id: pay\n"
    )
    folder = a_draft(tmp_path, text)
    (folder / "seed/uploads/1/a.bin").write_bytes(b"private")
    curate("shop", tmp_path, version_of(text), lambda t: curation.drop_step(t, "upload"))
    assert not (folder / "seed/uploads/1/a.bin").exists()


def test_everything_that_stands_in_the_way_is_told_at_once(tmp_path: Path) -> None:
    text = SMALL.replace("path: /pay", f"path: /pay\n    cookies: {{token: secret-token-{'a' * 32}}}")
    text = text.replace("path: /cart   #", "body: seed/gone.bin\n    path: /cart   #")
    folder = a_draft(tmp_path, text, problems=["Which token?"])
    (folder / "seed/key.txt").write_text("x\nAKIAABCDEFGHIJKLMNOP\n")
    found = {(o.kind, o.file, o.line, o.step) for o in obstacles("shop", tmp_path)}
    line = text.split("\n").index(next(row for row in text.split("\n") if "secret-token" in row)) + 1
    assert found == {
        ("question", "", 0, ""),
        ("secret", "profile.yaml", line, "pay"),
        ("fault", "seed/gone.bin", 0, "add"),
        ("review", "seed/key.txt", 2, ""),
    }
    with pytest.raises(NotPromotable, match=f"line {line}: a secret of the recording is not resolved"):
        promote("shop", tmp_path)


def test_a_document_that_cannot_be_read_is_told_with_its_line(tmp_path: Path) -> None:
    a_draft(tmp_path, SMALL.replace("  - id: look", "  - idd: look"))
    assert [(o.kind, o.line) for o in obstacles("shop", tmp_path)] == [("fault", 13)]


def test_a_secret_that_is_not_resolved_is_asked_for_at_replay(tmp_path: Path) -> None:
    one, other = f"secret-token-{'a' * 32}", f"secret-cookie-{'b' * 32}"
    text = SMALL.replace("path: /pay", f"path: /pay\n    query: key={one}&x=1\n    cookies: {{sid: {other}}}  # {one}")
    text = text.replace('"note": "steps', f'"key": "secret-password-{"a" * 32}", "note": "steps')
    text = text.replace("path: /cart   #", f"path: /cart   #\n    headers: {{x-key: {one}}}\n    note: {one}\n   #")
    after = curation.ask_for_secrets(text, "pay", "API_KEY")
    rows = [row for row in changed(text, after) if row.startswith("+")]
    assert rows == [
        '+    headers: {x-key: "{{ secrets.API_KEY }}"}',
        '+    query: "key={{ secrets.API_KEY }}&x=1"',
        f'+    cookies: {{sid: "{{{{ secrets.API_KEY_2 }}}}"}}  # {one}',
        '+      {"cart": "{{ steps.add.cart }}", "key": "{{ secrets.API_KEY }}", "note": "steps.add.cart"}',
    ]
    for step, name, sentence in (("look", "API_KEY", "sends no secret"), ("pay", "api key", "no name for a secret")):
        with pytest.raises(ValueError, match=sentence):
            curation.ask_for_secrets(text, step, name)
    a_draft(tmp_path, after)
    assert obstacles("shop", tmp_path) == []


def test_a_change_that_would_say_more_than_was_meant_is_refused() -> None:
    text = (
        "metadata: {slug: shop}\ncomparisons: [{target: a}, {target: b}]\nsteps: [{id: x, path: /}, {id: y, path: /}]\n"
    )
    for change in (lambda: curation.drop_comparison(text, "a"), lambda: curation.drop_step(text, "x")):
        with pytest.raises(BadDocument, match="edit it by hand"):
            change()
