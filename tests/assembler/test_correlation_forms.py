"""Ids that a page offers in its forms, and come back in what is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.assembler.recorded import Call, form, get, profile_of

BOUNDARY = "xYzBoundary"
MULTIPART = ("content-type", f"multipart/form-data; boundary={BOUNDARY}")


def multipart(*fields: tuple[str, str]) -> str:
    parts = (f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields)
    return "".join(parts) + f"--{BOUNDARY}--\r\n"


def test_several_parts_of_one_name_are_several_values(tmp_path: Path) -> None:
    page = "<form><select name=tags multiple><option value=4>red<option value=5>old<option value=6>loud</select></form>"
    body = multipart(("name", "Rex"), ("tags", "4"), ("tags", "6"))
    sent = Call("POST", "/pets", sent=[MULTIPART], body=body)
    profile = profile_of(tmp_path, [get("/pets/new", page), sent])
    values = [part.value for part in profile.steps[1].multipart or []]
    assert values[0] == "Rex"
    assert values[1] != values[2]
    extracts = profile.steps[0].extract.values()
    assert sorted((e.text, e.was) for e in extracts) == [("loud", "6"), ("red", "4")]


def cart(*ids: int) -> str:
    rows = "".join(f"<tr><td>Tea<td><input name='qty[{n}]' value=1>" for n in ids)
    return f"<form action=/cart method=post><table>{rows}</table></form>"


def test_an_id_in_the_name_of_a_field_is_taken_from_the_page(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, [get("/cart", cart(4, 7)), form("/cart", "qty%5B4%5D=2&qty%5B7%5D=3&note=x")])
    names = [name for name, _ in profile.steps[1].form or []]
    assert all(name.startswith("qty[{{ steps.get-cart.") for name in names[:2])
    assert names[2] == "note"
    assert sorted(e.was or "" for e in profile.steps[0].extract.values()) == ["4", "7"]


def test_an_id_in_the_name_of_a_part_is_taken_from_the_page(tmp_path: Path) -> None:
    sent = Call("POST", "/cart", sent=[MULTIPART], body=multipart(("qty[7]", "3"), ("note", "x")))
    profile = profile_of(tmp_path, [get("/cart", cart(4, 7)), sent])
    assert [(p.name.partition("{")[0], p.value) for p in profile.steps[1].multipart or []] == [
        ("qty[", "3"),
        ("note", "x"),
    ]


def test_positions_of_a_list_are_the_clients_own(tmp_path: Path) -> None:
    page = "<form action=/lines method=post><input name=lines-0-item><input name=lines-1-item></form>"
    profile = profile_of(
        tmp_path, [get("/lines", page), form("/lines", "lines-0-item=tea&lines-1-item=milk&lines-2-item=rum")]
    )
    assert [name for name, _ in profile.steps[1].form or []] == ["lines-0-item", "lines-1-item", "lines-2-item"]


def test_a_name_that_no_page_offered_stays(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, [get("/cart", cart(4)), form("/cart", "qty%5B9%5D=2")])
    assert [name for name, _ in profile.steps[1].form or []] == ["qty[9]"]


def test_the_value_of_a_field_named_by_an_id_is_found_without_the_id(tmp_path: Path) -> None:
    page = (
        "<form action=/save method=post>"
        + "".join(f"<input type=hidden name=owner_{n} value={n - 2}>" for n in (4, 7))
        + "</form>"
    )
    profile = profile_of(tmp_path, [get("/items", page), form("/save", "owner_7=5")])
    found = {e.was: (e.css, e.nth) for e in profile.steps[0].extract.values() if e.attr == "value"}
    assert found == {"5": ('input[type="hidden"][name^="owner_"]', 1)}


@pytest.mark.parametrize(
    ("field", "taken"),
    [
        ("<input type=hidden name=owner value=3>", ["3"]),
        ("<input name=owner_id value=3>", ["3"]),
        ("<input name=owner value=3>", []),
        ("<input type=number name=qty value=3>", []),
        ("<input type=hidden name=qty value=3>", []),
        ("<input type=hidden name=total_price value=3>", []),
        ("<input type=hidden name=item_count value=3>", []),
    ],
)
def test_an_amount_that_a_page_sends_back_is_no_id(tmp_path: Path, field: str, taken: list[str]) -> None:
    """Taken from the page it would be whatever the page says, and a page that says it wrong would go unseen."""
    name = field.partition("name=")[2].split()[0]
    page = f"<form action=/save method=post>{field}</form>"
    profile = profile_of(tmp_path, [get("/items", page), form("/save", f"{name}=3")])
    assert [e.was for e in profile.steps[0].extract.values()] == taken


def test_what_a_page_had_in_a_control_goes_back_as_the_page_has_it_now(tmp_path: Path) -> None:
    page = "<form action=/order method=post><input type=checkbox name=pick value='7:tea'><input name=size value='7 feet'></form>"
    profile = profile_of(tmp_path, [get("/items", page), form("/order", "pick=7%3Atea&size=7+feet")])
    fields = dict(profile.steps[1].form or [])
    assert fields["pick"].startswith("{{ steps.get-items.")
    assert fields["size"] == "7 feet"


@pytest.mark.parametrize("code", ["ORD-2026-J4HSZ", "ORD-2026-IOEPY"])
def test_a_code_that_an_answer_gave_is_taken_from_there(tmp_path: Path, code: str) -> None:
    page = f"<p>Order {code}, plan B2B, model h264</p>"
    calls = [get("/o", page), form("/close", f"ref={code}&model=h264&own=K3J9Q"), get("/o2", "<p>K3J9Q</p>")]
    profile = profile_of(tmp_path, [*calls, form("/again", "own=K3J9Q")])
    fields = dict(profile.steps[1].form or [])
    assert fields["ref"].startswith("{{ steps.get-o.")
    assert fields["model"] == "h264"
    assert dict(profile.steps[3].form or [])["own"] == "K3J9Q"
