"""A dry run shows every request that a replay would send, without a secret, and sends nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from playback.engine import Options, replay
from playback.summary import render
from tests.playback.members import PASSWORD, Members, by_basic, by_form, serving
from tests.playback.site import run_profile
from tests.playback.test_logins import SLUG, record

SECRETS = {"PROFILE_SECRET_PASSWORD": PASSWORD}


def test_it_shows_method_address_headers_and_body_and_sends_nothing(tmp_path: Path) -> None:
    record(tmp_path, by_form, Members())
    members = Members()
    with serving(members) as url:
        report = replay(SLUG, tmp_path, Options(base_url=url, dry_run=True), SECRETS)
    assert members.asked == []
    assert (report.result, report.dry_run) == ("passed", True)
    lines = {step.id: step.curl or "" for step in report.steps}
    assert all(line.startswith("curl -i -X ") and url in line for line in lines.values())
    login, note = lines["post-login"], lines["post-notes"]
    assert 'password="$PROFILE_SECRET_PASSWORD"' in login
    assert "user=ada" in login
    assert """--data-raw '{"text":"one"}'""" in note
    assert "x-csrf-token" in note
    shown = render(report)
    assert all(line in shown for line in lines.values())
    assert PASSWORD not in shown + str(report.as_json())


def test_a_password_in_a_header_is_not_shown(tmp_path: Path) -> None:
    record(tmp_path, by_basic, Members())
    report = replay(SLUG, tmp_path, Options(base_url="http://127.0.0.1:1", dry_run=True), SECRETS)
    shown = report.steps[0].curl or ""
    assert 'ada:"$PROFILE_SECRET_PASSWORD"' in shown
    assert PASSWORD not in render(report)


@pytest.mark.parametrize("secrets", [{}, SECRETS])
def test_it_needs_no_secret(tmp_path: Path, secrets: dict[str, str]) -> None:
    record(tmp_path, by_basic, Members())
    assert replay(SLUG, tmp_path, Options(base_url="http://127.0.0.1:1", dry_run=True), secrets).exit_code == 0


def test_a_run_is_named_and_not_cloned(tmp_path: Path) -> None:
    run_profile(tmp_path)
    report = replay("shop", tmp_path, Options(base_url="http://127.0.0.1:1", dry_run=True), {})
    assert report.run_id is not None
    assert report.run_id.replace(";", "%3B") in (report.steps[0].curl or "")
    assert not (tmp_path / "playback_runs").exists()
