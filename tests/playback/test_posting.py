"""A report that is sent somewhere arrives whole; one that is not changes nothing but a note."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from playback.engine import Options, replay
from playback.posting import post
from tests.playback.reports import failed, passed
from tests.playback.site import PAGE, Answer, Site, profile
from tests.support import free_port

ONE_STEP = '{"metadata": {"slug": "shop"}, "steps": [{"id": "home", "path": "/", "expect": {"status": 200}}]}'


def test_it_arrives_as_the_report_that_is_kept() -> None:
    got: list[str] = []
    with Site({"/in": lambda sent: (got.append(sent), Answer())[1]}) as site:
        assert post(failed(), {"PROFILE_REPORT_URL": f"{site.url}/in?key=1"}) is None
    assert json.loads(got[0]) == json.loads(json.dumps(failed().as_json()))
    assert post(failed(), {}) is None


def test_a_redirect_is_not_followed() -> None:
    got: list[str] = []
    with Site({"/else": lambda sent: (got.append(sent), Answer())[1]}) as other:
        there = Answer(status=307, headers={"Location": f"{other.url}/else"})
        with Site({"/in": lambda sent: there}) as site:
            problem = post(passed(), {"PROFILE_REPORT_URL": f"{site.url}/in"})
    assert got == []
    assert problem is not None
    assert problem.endswith("it answered 307, and redirects are not followed.")


@pytest.mark.parametrize("status", [401, 500])
def test_a_refusal_is_a_sentence_without_what_may_be_secret(status: int) -> None:
    with Site({"/T0K3N": lambda sent: Answer("T0K3N", status=status)}) as site:
        url = site.url.replace("://", "://me:hunter2@") + "/T0K3N?key=T0K3N"
        problem = post(passed(), {"PROFILE_REPORT_URL": url})
    assert problem == f"The report was not taken by {site.url} (PROFILE_REPORT_URL): it answered {status}."


@pytest.mark.parametrize(
    "url", ["ftp://x/y", "hunter2", "http://", "http://[", "http://h:99999999/", "file:///etc/passwd"]
)
def test_what_is_no_address_is_said_without_showing_it(url: str) -> None:
    problem = post(passed(), {"PROFILE_REPORT_URL": url})
    assert problem == "The report was not sent: PROFILE_REPORT_URL is no http or https address."


@pytest.mark.parametrize("status", [200, 500])
def test_it_changes_neither_verdict_nor_exit_code(status: int, tmp_path: Path) -> None:
    profile(tmp_path, ONE_STEP, {})
    nobody = f"http://127.0.0.1:{free_port()}/T0K3N"
    with Site({"/": lambda sent: Answer("", PAGE, status)}) as site:
        environ = {"PROFILE_REPORT_URL": nobody}
        report = replay("shop", tmp_path, Options(base_url=site.url), environ)
        plain = replay("shop", tmp_path, Options(base_url=site.url), {})
    assert (report.result, report.exit_code) == (plain.result, plain.exit_code)
    (note,) = report.notes
    assert note == f"The report was not sent to {nobody.removesuffix('/T0K3N')} (PROFILE_REPORT_URL): ConnectError."


def test_what_is_kept_says_that_it_did_not_arrive(tmp_path: Path) -> None:
    """Whoever reads the report later learns why the dashboard has none; one that arrived has nothing to add."""
    profile(tmp_path, ONE_STEP, {})
    with Site({"/": lambda sent: Answer("", PAGE), "/in": lambda sent: Answer(status=201)}) as site:
        nowhere = {"PROFILE_REPORT_URL": f"http://127.0.0.1:{free_port()}/T0K3N"}
        lost = replay("shop", tmp_path, Options(base_url=site.url), nowhere)
        latest = json.loads((tmp_path / "profiles/results/latest.json").read_bytes())
        sent = replay("shop", tmp_path, Options(base_url=site.url), {"PROFILE_REPORT_URL": f"{site.url}/in"})
    folder = Path(lost.page or "").parent
    assert json.loads((folder / "report.json").read_bytes()) == latest == json.loads(json.dumps(lost.as_json()))
    assert "(PROFILE_REPORT_URL): ConnectError." in latest["notes"][0]
    assert "PROFILE_REPORT_URL" in (folder / "report.html").read_text()
    assert json.loads((Path(sent.page or "").parent / "report.json").read_bytes())["notes"] == []


def test_every_replay_sends_its_own(tmp_path: Path) -> None:
    profile(tmp_path, ONE_STEP, {})
    got: list[str] = []
    with Site({"/": lambda sent: Answer("", PAGE), "/in": lambda sent: (got.append(sent), Answer())[1]}) as site:
        report = replay("shop", tmp_path, Options(base_url=site.url), {"PROFILE_REPORT_URL": f"{site.url}/in"})
        replay("shop", tmp_path, Options(base_url=site.url, dry_run=True), {"PROFILE_REPORT_URL": f"{site.url}/in"})
    (sent,) = got
    assert json.loads(sent) == json.loads((Path(report.page or "").parent / "report.json").read_bytes())
