"""A mistyped password needs nobody's knowledge: any other value is refused as well. Good ones keep their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from assembler.promote import NotPromotable, promote
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


UNFIT = '{"detail":[{"type":"too_short","loc":["body","password"],"input":"%s"}]}'


def chosen(password: str, status: int, answer: str = "{}", path: str = "/users") -> Call:
    return api("POST", path, answer, body=f'{{"name":"ada","password":"{password}"}}', status=status)


def sent(folder: Path, *calls: Call) -> str:
    """The first request of the profile."""
    step = profile_of(folder, calls).steps[0]
    return str(step.json_ or step.form)


def test_a_password_that_was_refused_where_one_is_chosen_stays_what_it_was_when_its_answer_shows_it(tmp_path: Path) -> None:
    assert '"ab-1x"' in sent(tmp_path, chosen("ab-1x", 422, UNFIT % "ab-1x"), chosen("correct-horse-1", 201))


@pytest.mark.parametrize("password", ["short", "12345", "ada"])
def test_a_password_that_everybody_would_have_guessed_stays_what_it_was(tmp_path: Path, password: str) -> None:
    assert f'"password":"{password}"' in sent(tmp_path, chosen(password, 400), chosen("correct-horse-1", 201))


@pytest.mark.parametrize("path", ["/users", "/auth/register", "/login/change-password"])
def test_another_one_that_was_refused_where_one_is_chosen_is_weak_again(tmp_path: Path, path: str) -> None:
    text = sent(tmp_path, chosen("qz7-p", 422, path=path), chosen("correct-horse-1", 201, path=path))
    assert "generated.refused_password" in text
    assert "_weak }}" in text


@pytest.mark.parametrize("path", ["/login", "/session", "/api/token"])
def test_one_that_was_refused_at_a_login_is_not_weaker_than_others(tmp_path: Path, path: str) -> None:
    text = sent(tmp_path, chosen("short", 400, path=path), chosen("correct-horse-1", 200, path=path))
    assert "generated.refused_password" in text
    assert "_weak }}" not in text


@pytest.mark.parametrize(
    ("body", "weak"),
    [
        ("password1=qz7-p&password2=qz7-p", 2),
        ("password1=long-enough-1&password2=long-enough-2", 0),
        ("password1=correct-horse-1&password2=long-enough-2", 0),
        ("old_password=correct-horse-1&password1=qz7-p&password2=qz7-p", 2),
        ("old_password=mistyped-horse&password1=long-enough-1&password2=long-enough-1", 0),
        ("current=correct-horse-1&csrf_token=5f3f17ca0bd34ec4a1b2c3d4e5f60718&new_password=qz7-p", 1),
    ],
    ids=["unfit", "not the same", "not the same as a good one", "unfit for a new one", "not the old one", "beside a token"],
)
def test_a_form_with_several_passwords_tells_which_of_them_is_wrong(tmp_path: Path, body: str, weak: int) -> None:
    again = "<form method=post><input type=password name=password1></form>"
    calls = [form("/account/password", body, again), login(RIGHT, 302, to="/"), HOME]
    assert sent(tmp_path, *calls).count("_weak }}") == weak


def test_a_code_that_everybody_would_have_guessed_keeps_its_build(tmp_path: Path) -> None:
    call = api("POST", "/confirm", '{"error":"wrong"}', body='{"api_token":"000000"}', status=400)
    assert '"000000"' in sent(tmp_path, call)


AGAIN = "<form method=post><input type=password name=password><input type=password name=again></form>"


@pytest.mark.parametrize(
    "refused",
    [
        chosen("12345", 422),
        chosen("ab-1x", 422, UNFIT % "ab-1x"),
        form("/users", "password=qz7-p&again=qz7-p", AGAIN),
        form("/users", "password=12345&again=12345", AGAIN),
    ],
    ids=["guessed", "said by the answer", "said by another field", "guessed, and the form again"],
)
def test_what_stands_for_it_is_no_secret_that_stops_a_promotion(tmp_path: Path, refused: Call) -> None:
    profile_of(tmp_path, [refused, get("/", "<p>hello</p>")])
    assert promote("draft", tmp_path / "data")


def test_the_same_value_is_a_secret_where_it_was_taken(tmp_path: Path) -> None:
    profile_of(tmp_path, [form("/users", "password=long-enough-1&again=long-enough-1", "<p>welcome</p>")])
    path = tmp_path / "data" / "profiles" / "_drafts" / "draft" / "profile.yaml"
    path.write_text(path.read_text().replace("{{ secrets.PASSWORD }}", "12345"))
    with pytest.raises(NotPromotable):
        promote("draft", tmp_path / "data")


PAGE = "<p>A password has at least 8 characters.</p>" + AGAIN


@pytest.mark.parametrize(
    ("answer", "weak"),
    [
        (f"<em>User ada is already registered.</em>{PAGE}", False),
        (f"<em>Passwords must match.</em>{PAGE}", False),
        (f"<em>This password is too short.</em>{PAGE}", True),
        (f"<em>Not like this.</em>{PAGE}", True),
    ],
)
def test_an_answer_says_whether_the_password_was_bad(tmp_path: Path, answer: str, weak: bool) -> None:
    calls = [get("/register", PAGE), form("/register", "name=ada&password=long-enough-1&again=long-enough-1", answer)]
    assert ("_weak }}" in str(profile_of(tmp_path, calls).steps[1].form)) == weak


def test_a_password_beside_a_name_that_is_taken_is_no_weak_one(tmp_path: Path) -> None:
    assert "_weak }}" not in sent(tmp_path, chosen("long-enough-1", 400, '{"error":"name already exists"}'))
    assert "_weak }}" not in sent(tmp_path / "conflict", chosen("long-enough-1", 409))


def test_a_password_that_is_asked_for_twice_is_one(tmp_path: Path) -> None:
    calls = [form("/register", "name=ada&password=long-enough-1&again_password=long-enough-1", PAGE)]
    fields = dict(profile_of(tmp_path, calls).steps[0].form or [])
    assert "generated." in fields["password"]
    assert fields["password"] == fields["again_password"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
@pytest.mark.parametrize("name", ["signature", "token"])
def test_an_address_that_somebody_tampered_with_needs_nobody(tmp_path: Path, status: int, name: str) -> None:
    good, bad = "cf3519dfd3b725d00646a296a4b681d6", "cf3519dfd3b725d00646a296a4b60000"
    link = f'{{"url":"/files/1?expires=1795206290&{name}={good}"}}'
    calls = [
        api("GET", "/files", link),
        get(f"/files/1?expires=1795206290&{name}={good}", "text"),
        get(f"/files/1?expires=1795206290&{name}={bad}", "no", status=status),
    ]
    profile = profile_of(tmp_path, calls)
    assert needed(profile) == []
    assert "{{ steps.get-files." in str(profile.steps[1].query)
    assert f"{name}={{{{ generated.refused_" in str(profile.steps[2].query)
