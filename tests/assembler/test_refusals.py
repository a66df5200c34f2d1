"""A mistyped password needs nobody's knowledge: any other value is refused as well. Good ones keep their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from assembler.secrets import needed
from tests.assembler.recorded import Call, api, form, get, profile_of

FORM = "<form method=post><input name=user><input type=password name=password></form>"
RIGHT, WRONG = "user=ada&password=correct-horse-1", "user=ada&password=battery-staple-2"
HOME = get("/", "<p>hello</p>")


def login(body: str, status: int, answer: str = "", to: str = "") -> Call:
    return form("/login", body, answer, status=status, headers=[("location", to)] if to else [])


def wanted(folder: Path, *calls: Call) -> list[str]:
    return needed(profile_of(folder, calls))


@pytest.mark.parametrize(
    "refused",
    [
        login(WRONG, 401),
        login(WRONG, 403),
        login(WRONG, 400),
        login(WRONG, 200, FORM),
        login(WRONG, 302, to="/login"),
        login(WRONG, 302, to="http://127.0.0.1:8000/login?error=1"),
    ],
    ids=["401", "403", "400", "form again", "sent back", "sent back with a reason"],
)
def test_a_password_that_was_refused_is_made_up_anew(tmp_path: Path, refused: Call) -> None:
    profile = profile_of(tmp_path, [refused, login(RIGHT, 302, to="/"), HOME])
    assert needed(profile) == ["PROFILE_SECRET_PASSWORD"]
    assert "generated.refused_password" in str(profile.steps[0].form)
    assert "{{ secrets.PASSWORD }}" in str(profile.steps[1].form)


def test_a_password_that_was_taken_once_is_needed_everywhere(tmp_path: Path) -> None:
    calls = [login(RIGHT, 302, to="/"), HOME, login(RIGHT, 401)]
    assert wanted(tmp_path, *calls) == ["PROFILE_SECRET_PASSWORD"]
    assert "generated" not in str(profile_of(tmp_path / "again", calls).steps[-1].form)


def test_a_page_after_the_login_that_has_no_password_field_is_no_refusal(tmp_path: Path) -> None:
    assert wanted(tmp_path, login(RIGHT, 200, "<p>welcome</p>")) == ["PROFILE_SECRET_PASSWORD"]


def test_a_setting_that_leads_back_to_its_page_was_taken(tmp_path: Path) -> None:
    changed = form("/profile", RIGHT, "", status=302, headers=[("location", "/profile")])
    assert wanted(tmp_path, changed) == ["PROFILE_SECRET_PASSWORD"]


@pytest.mark.parametrize(
    ("status", "names"), [(401, []), (403, ["PROFILE_SECRET_TOKEN"]), (409, ["PROFILE_SECRET_TOKEN"])]
)
def test_a_key_in_a_header_is_refused_by_401_alone(tmp_path: Path, status: int, names: list[str]) -> None:
    key = ("authorization", "Token 5f3f17ca0bd34ec4a1b2c3d4e5f60718")
    call = api("GET", "/items", "{}", status=status)
    assert wanted(tmp_path, Call(call.method, call.path, call.answer, status, call.kind, sent=[key])) == names
