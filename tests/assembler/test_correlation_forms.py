"""Ids that a page offers in its forms, and come back in what is sent."""

from __future__ import annotations

from pathlib import Path

from tests.assembler.recorded import Call, get, profile_of

BOUNDARY = "xYzBoundary"


def multipart(*fields: tuple[str, str]) -> str:
    parts = (f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields)
    return "".join(parts) + f"--{BOUNDARY}--\r\n"


def test_several_parts_of_one_name_are_several_values(tmp_path: Path) -> None:
    page = "<form><select name=tags multiple><option value=4>red<option value=5>old<option value=6>loud</select></form>"
    body = multipart(("name", "Rex"), ("tags", "4"), ("tags", "6"))
    sent = Call("POST", "/pets", sent=[("content-type", f"multipart/form-data; boundary={BOUNDARY}")], body=body)
    profile = profile_of(tmp_path, [get("/pets/new", page), sent])
    values = [part.value for part in profile.steps[1].multipart or []]
    assert values[0] == "Rex"
    assert values[1] != values[2]
    extracts = profile.steps[0].extract.values()
    assert sorted((e.text, e.was) for e in extracts) == [("loud", "6"), ("red", "4")]
