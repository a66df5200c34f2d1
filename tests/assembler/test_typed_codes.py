"""Codes that somebody reads in a mail and types: `Your code is 482913`. They are new in every run."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from assembler.secrets import needed
from tests.assembler.recorded import api, form, get, profile_of

MAIL = '[{"to":"ada@example.org","text":"Hello Ada, your code is %s. It is valid for 15 minutes, until 20:29."}]'


@pytest.mark.parametrize("name", ["code", "otp", "verification_code", "pin", "token", "otp_code", "email_token"])
@pytest.mark.parametrize("value", ["482913", "90417"])
def test_a_code_from_a_mail_is_taken_from_the_mail_of_the_run(tmp_path: Path, name: str, value: str) -> None:
    read = api("GET", "/outbox", MAIL % value)
    profile = profile_of(tmp_path, [read, api("POST", "/confirm", "{}", body=f'{{"{name}":"{value}"}}')])
    assert "{{ steps.get-outbox." in str(profile.steps[1].json_)
    assert needed(profile) == []


def test_it_is_found_in_a_page_too(tmp_path: Path) -> None:
    page = get("/mail/1", "<p>Use <b>482913</b> to sign in.</p>")
    profile = profile_of(tmp_path, [page, api("POST", "/verify", "{}", body='{"otp":"482913"}')])
    assert "{{ steps.get-mail" in str(profile.steps[1].json_)


@pytest.mark.parametrize("body", ['{"postcode":10115}', '{"year":"2026"}', '{"price":"482913"}'])
def test_numbers_that_are_no_codes_stay_what_was_typed(tmp_path: Path, body: str) -> None:
    read = api("GET", "/news", '{"text":"10115 Berlin, in 2026 for 482913 Euro"}')
    assert "steps." not in str(profile_of(tmp_path, [read, api("POST", "/notes", "{}", body=body)]).steps[1].json_)


def test_a_code_that_was_typed_before_it_was_shown_stays_what_was_typed(tmp_path: Path) -> None:
    first = api("POST", "/coupons", '{"text":"made 482913"}', body='{"code":"482913"}')
    again = api("POST", "/orders", "{}", body='{"code":"482913"}')
    assert "steps." not in str(profile_of(tmp_path, [first, again]).steps[1].json_)


@pytest.mark.parametrize("build", ["/activate/{0}/{1}", "/activate?uid={0}&token={1}"])
def test_an_id_in_base64_is_taken_from_the_mail_with_its_token(tmp_path: Path, build: str) -> None:
    uid, token = "Mw", "d8y7q2-1f2e3d4c5b6a79880f1e2d3c4b5a6978"
    mail = f'[{{"body": "Welcome.\\nGo to http://127.0.0.1:8000{build.format(uid, token)}\\n\\nThanks"}}]'
    used = api("POST", "/activation", "{}", body=f'{{"uid": "{uid}", "token": "{token}"}}')
    step = profile_of(tmp_path, [api("GET", "/outbox", mail), used]).steps[1]
    assert str(step.json_).count("{{ steps.get-outbox.") == 2


def test_a_password_that_is_called_new_at_first_is_named_after_its_login(tmp_path: Path) -> None:
    changed = form("/me", "current_password=correct-horse-1&new=correct-horse-2", "<p>done</p>")
    profile = profile_of(tmp_path, [changed, form("/login", "user=ada&password=correct-horse-2", "<p>hello</p>")])
    assert needed(profile) == ["PROFILE_SECRET_CURRENT_PASSWORD", "PROFILE_SECRET_PASSWORD"]


def test_a_token_that_a_page_shows_once_and_basic_credentials_repeat_is_that_of_the_replay(tmp_path: Path) -> None:
    token = "eluojihxddlxqywq"
    made = form("/tokens", "name=laptop", f"<p>Save it:</p><div>\n  {token}\n</div>")
    basic = ("authorization", "Basic " + b64encode(f"ada:{token}".encode()).decode())
    used = get("/api/me", "{}", sent=[basic])
    profile = profile_of(tmp_path, [made, used])
    assert str(profile.steps[1].headers["authorization"]).startswith("Basic ada:{{ steps.post-tokens.")
    assert needed(profile) == []
