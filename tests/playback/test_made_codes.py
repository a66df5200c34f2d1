"""Codes that an application makes and nobody sends back, codes for one use, and times in other spellings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assembler.profile import Step
from assembler.shapes import clock, pieces
from playback.answers import Comparer
from playback.bijection import Bijection, Moment
from playback.builds import same_build
from playback.made_codes import made_codes

DAY = 86_400.0
RECORDED = 1_790_000_000.0  # 21 September 2026, 14:13 UTC


def step(number: int, folder: Path, answer: object, method: str = "POST", sent: object = None) -> Step:
    (folder / f"{number}.json").write_text(json.dumps(answer))
    return Step.model_validate({
        "id": f"s{number}", "method": method, "path": "/reports", "json": json.dumps(sent), "expect": {"body": f"{number}.json"}
    })  # fmt: skip


def test_work_that_was_waited_for_makes_codes_too(tmp_path: Path) -> None:
    waits = {"wait": {"type": "poll", "until": {"json": "report", "differs": None}}}
    steps = [step(n, tmp_path, {"report": f"RPT-{code}"}, "GET") for n, code in enumerate(("09DCF4", "D410D0"))]
    assert not set(made_codes(steps, tmp_path))
    waiting = [Step.model_validate({**each.model_dump(by_alias=True, exclude_none=True), **waits}) for each in steps]
    assert set(made_codes(waiting, tmp_path)) == {"09DCF4", "D410D0"}


def made(folder: Path, *values: str, key: str = "report", method: str = "POST", sent: object = None) -> set[str]:
    return set(made_codes([step(n, folder, {key: v}, method, sent) for n, v in enumerate(values)], folder))


def test_several_codes_under_one_key_are_the_server_s(tmp_path: Path) -> None:
    assert made(tmp_path, "RPT-09DCF4", "RPT-D410D0") == {"09DCF4", "D410D0"}


def test_one_without_a_letter_counts_beside_another(tmp_path: Path) -> None:
    assert made(tmp_path, "RPT-247922", "RPT-A66E31") == {"A66E31"}
    assert made(tmp_path, "RPT-A66E31", "RPT-AD8187") == {"A66E31"}


def test_no_codes_without_that_evidence(tmp_path: Path) -> None:
    assert not made(tmp_path, "RPT-09DCF4"), "a single one may be a model"
    assert not made(tmp_path, "RPT-09DCF4", "RPT-09DCF4")
    assert not made(tmp_path, "RPT-09DCF4", "RPT-D410D0", method="GET"), "what was read may have been there"
    assert not made(tmp_path, "RPT-09DCF4", "RPT-D410D0", sent=["09DCF4", "D410D0"])
    assert not made(tmp_path, "09DCF4", "D410D0", key="sha1"), "what a thing is"


def differing(recorded: str, live: str, bijection: Bijection | None = None, later: float = 0.0) -> list[str]:
    comparer = Comparer(bijection or Bijection(), Moment(RECORDED, RECORDED + later), "step")
    comparer.body("text/plain", recorded.encode(), live.encode())
    comparer.settle()
    return [mismatch.where for mismatch in comparer.mismatches]


def test_codes_of_that_build_are_bound_one_to_one() -> None:
    bijection = Bijection()
    bijection.expect_codes(["09DCF4", "D410D0"])
    assert not differing("RPT-09DCF4", "RPT-A1B2C3", bijection)
    assert not differing("RPT-030065", "RPT-D27DF4", bijection), "one without a letter by chance"
    assert differing("RPT-09DCF4", "RPT-A1B2C4", bijection)
    assert differing("RPT-11DCF4", "RPT-A1B2C", bijection)


@pytest.mark.parametrize("said", ["Your code is {}", "PIN: {}", "verification code {}", "one-time code: {}"])
def test_a_code_for_one_use_is_another_each_time(said: str) -> None:
    bijection = Bijection()
    assert not differing(said.format(482913), said.format(104467), bijection)
    assert differing(said.format(482913), said.format(999999), bijection)
    assert differing(said.format(482914), said.format(77)), "of another length"


@pytest.mark.parametrize("said", ["error code {}", "postal code {}", "spin {}", "{} items"])
def test_other_numbers_are_none(said: str) -> None:
    assert differing(said.format(4829), said.format(4830))


@pytest.mark.parametrize(
    ("recorded", "live"),
    [
        ("20260921T14:13:20", "20260922T14:13:20"),
        ("Montag, 21. September 2026", "Dienstag, 22. September 2026"),
        ("21. März 2026, 14:13 Uhr", "22. März 2026, 14:13 Uhr"),
        ("lundi 21 septembre 2026 à 14:13", "mardi 22 septembre 2026 à 14:13"),
        ("21 de diciembre de 2026", "22 de diciembre de 2026"),
    ],
)
def test_times_move_with_the_clock(recorded: str, live: str) -> None:
    assert next(p.kind for p in pieces(recorded)) == "clock"
    assert not differing(recorded, live, later=DAY)
    assert differing(recorded, live, later=5 * DAY)


@pytest.mark.parametrize(("name", "month"), [("März", 3), ("août", 8), ("Oct.", 10), ("December", 12), ("janv.", 1)])
def test_a_month_by_its_name(name: str, month: int) -> None:
    assert clock(f"21 {name} 2026") == clock(f"2026-{month:02}-21")


def test_parts_of_a_second_ago() -> None:
    assert not differing("0.06s ago", "0.00s ago")
    assert differing("600.5s ago", "3.25s ago")


def test_an_rpc_answer_names_its_request_by_the_number_that_was_sent() -> None:
    bijection = Bijection()
    bijection.bind_number("id", "1", "22")
    assert not differing('{"jsonrpc": "2.0", "id": 2, "result": 0}', '{"jsonrpc": "2.0", "id": 2, "result": 0}', bijection)
    assert differing('{"jsonrpc": "2.0", "id": 2, "result": 0}', '{"jsonrpc": "2.0", "id": 3, "result": 0}', bijection)


@pytest.mark.parametrize(("recorded", "live", "alike"), [("Yzoy", "YzoxNg==", True), ("Yzoy", "ZDoy", False), ("Yzoy", "done", False)])
def test_a_place_in_a_list_says_the_same_with_another_number(recorded: str, live: str, alike: bool) -> None:
    assert same_build(recorded, live) is alike


def test_what_signs_a_random_value_changes_with_it() -> None:
    was, now = "242d9f3dff924e05986a5bea1636f541" * 2, "6f0d9771f0c601a8023634c5c5c68c88" * 2
    assert not differing(f"rJUizcjsVFnaZGUKiNAPMyqt~{was}", f"nFaQLFqEH3em5ysyrn0jZuhE~{now}")
    assert differing(f"plan.bin~{was}", f"plan.bin~{now}"), "the digest of a file"
    assert differing(f"{was[::-1]}~{was}", f"{now[::-1]}~{now}"), "two digests"


def test_two_rows_of_one_second_may_be_of_two() -> None:
    bijection = Bijection()
    bijection.know("14:13:20", "14:13:25")
    assert not differing("14:13:20", "14:13:26", bijection, later=5)
    assert differing("14:13:20", "15:13:26", bijection, later=5)


def page(folder: Path, number: int, source: str, method: str = "GET", path: str = "/lists") -> Step:
    (folder / f"{number}.html").write_text(source)
    return Step.model_validate({"id": f"s{number}", "method": method, "path": path, "expect": {"body": f"{number}.html"}})


LINKED = '<a href="/lists/4mom28/">Mine</a>'


def test_a_code_that_a_page_links_to_after_an_action(tmp_path: Path) -> None:
    act = page(tmp_path, 2, "", "POST")
    assert set(made_codes([page(tmp_path, 1, "<p>none</p>"), act, page(tmp_path, 3, LINKED)], tmp_path)) == {"4mom28"}
    assert not set(made_codes([page(tmp_path, 1, LINKED), act, page(tmp_path, 3, LINKED)], tmp_path)), "it was there"
    assert not set(made_codes([act, page(tmp_path, 3, LINKED)], tmp_path)), "it may have been there"
    assert not set(made_codes([page(tmp_path, 1, "<p>none</p>"), page(tmp_path, 3, LINKED)], tmp_path)), "nothing was done"


def linked(*addresses: str) -> str:
    return "".join(f'<html><a href="{address}">x</a></html>' for address in addresses)


def test_an_id_beside_the_name_of_its_thing() -> None:
    assert not differing(linked("/books/emma_2/"), linked("/books/emma_13/"))
    assert not differing(linked("/posts/12-hello-world"), linked("/posts/40-hello-world"))
    assert differing(linked("/books/emma_2/"), linked("/books/dune_13/")), "another thing"
    assert differing(linked("/books/emma_2/", "/books/emma_2/"), linked("/books/emma_13/", "/books/emma_14/"))
    assert differing(linked("/books/emma_2/", "/books/dune_3/"), linked("/books/emma_13/", "/books/dune_12/")), "order"


@pytest.mark.parametrize("name", ["page-{}", "chapter_{}", "my-step-{}", "v{}"])
def test_a_number_that_counts_is_no_id(name: str) -> None:
    assert differing(linked(f"/books/{name.format(2)}"), linked(f"/books/{name.format(3)}"))
