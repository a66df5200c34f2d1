"""Codes that somebody reads in a mail and types: `Your code is 482913`. They are new in every run."""

from __future__ import annotations

from pathlib import Path

import pytest

from assembler.secrets import needed
from tests.assembler.recorded import api, get, profile_of

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
