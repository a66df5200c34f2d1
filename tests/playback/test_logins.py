"""A login is believed when the application shows that it was; a session that ends on the way is renewed once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

import recorder
from assembler import assemble
from assembler.document import load_profile
from assembler.promote import promote
from playback.engine import Options, replay
from playback.report import Report
from playback.summary import render
from recorder.settings import Settings
from tests.playback.members import PASSWORD, Members, by_basic, by_document, by_form, serving

SLUG = "members"
SECRETS = {"PROFILE_SECRET_PASSWORD": PASSWORD}


def record(root: Path, use: Callable[[httpx.Client], None], members: Members) -> None:
    """Put the promoted profile of `use` below `root`."""
    settings = Settings.from_env({"RECORDER_ROOT": str(root / "recorder"), "RECORDER_CAPTURE": SLUG})
    with serving(recorder.wrap(members, settings)) as url, httpx.Client(base_url=url, trust_env=False) as client:
        use(client)
    assert assemble(root / "recorder", SLUG, root).problems == ()
    promote(SLUG, root)


def replayed(root: Path, members: Members, environ: dict[str, str] | None = None, **options: object) -> Report:
    with serving(members) as url:
        return replay(SLUG, root, Options(base_url=url, **options), SECRETS if environ is None else environ)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def form(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with a recorded form login."""
    root = tmp_path_factory.mktemp("form")
    record(root, by_form, Members())
    return root


@pytest.mark.parametrize("field", ["authenticity_token", "_wpnonce", "x"])
def test_a_form_with_a_token_under_any_name(tmp_path: Path, field: str) -> None:
    record(tmp_path, by_form, Members(token_field=field))
    report = replayed(tmp_path, Members(token_field=field))
    assert report.result == "passed", render(report)


@pytest.mark.parametrize("use", [by_form, by_document, by_basic])
def test_every_way_to_sign_in(tmp_path: Path, use: Callable[[httpx.Client], None]) -> None:
    record(tmp_path, use, Members())
    green, red = replayed(tmp_path, Members()), replayed(tmp_path, Members(password="another"))
    assert green.result == "passed", render(green)
    assert (red.result, red.exit_code) == ("error", 2)
    assert "was refused" in (red.error or "")


def test_a_cookie_given_by_hand(form: Path) -> None:
    members = Members(sessions={"mine": {"user": "ada", "csrf": "c" * 40}})
    # The recorded login would replace it: the window began behind it.
    profile = form / "profiles" / SLUG / "profile.yaml"
    names = [step.id for step in load_profile(profile).steps]
    assert "post-login" in names
    report = replayed(form, members, cookie="sid=mine")
    assert report.result == "passed", render(report)


@pytest.mark.parametrize("refuses", ["sent back", "form", "401"])
def test_a_login_that_is_refused_cannot_be_judged(form: Path, refuses: str) -> None:
    report = replayed(form, Members(password="another", refuses=refuses))
    assert report.result == "error", render(report)
    assert "post-login" in (report.error or "")
    assert "PROFILE_SECRET" in (report.error or "")


def test_a_login_that_was_answered_as_recorded_and_not_believed_cannot_be_judged(form: Path) -> None:
    class Forgetful(Members):
        def cookie(self, sid: str) -> tuple[str, str]:
            return ("Set-Cookie", "sid=; Path=/") if self.sessions.get(sid, {}).get("user") else super().cookie(sid)

    members = Forgetful()
    report = replayed(form, members)
    assert report.result == "error", render(report)
    assert "The login (step post-login) is not believed: step get, the first that needs it" in (report.error or "")
    assert members.asked[-2:] == ["GET /logo.svg", "GET /"], "a picture proves nothing"


def test_a_refusal_behind_a_login_that_was_believed_is_a_failure(form: Path) -> None:
    report = replayed(form, Members(denies="GET /notes"))
    assert (report.result, report.failing_step) == ("failed", "get-notes"), render(report)


@pytest.mark.parametrize("use", [by_form, by_document])
@pytest.mark.parametrize("forgotten", [1, 2, 3])
def test_a_session_that_ends_on_the_way_is_renewed_once(
    tmp_path: Path, use: Callable[[httpx.Client], None], forgotten: int
) -> None:
    """Whatever was refused did nothing yet, so it is sent again: no note is lost, none is there twice."""
    record(tmp_path, use, Members())
    before = 6 if use is by_form else 3  # the first request behind the login has shown by then that it was believed
    members = Members(forgets=[before + forgotten])
    report = replayed(tmp_path, members)
    assert report.result == "passed", render(report)
    assert members.notes == ["one", "two", "three"]
    assert [step.note for step in report.steps if step.note] == [
        "the session had ended; it was renewed by a fresh login, and this was sent again"
    ]
    assert any("the session had ended" in note for note in report.notes)


@pytest.mark.parametrize(("again", "failing"), [(11, "post-notes"), (12, "post-notes-2")])
def test_a_session_that_ends_again_is_a_failure(form: Path, again: int, failing: str) -> None:
    """At once, when the refused request is sent anew, or with the next."""
    report = replayed(form, Members(forgets=[7, again]))
    assert (report.result, report.failing_step) == ("failed", failing), render(report)
    step = next(s for s in report.steps if s.id == report.failing_step)
    assert step.mismatches[0].where == "session"


def test_a_secure_cookie_over_plain_http_is_named(form: Path) -> None:
    report = replayed(form, Members(secure=True))
    assert report.result == "error", render(report)
    assert "cookie 'sid' is Secure and http://127.0.0.1" in (report.error or "")
    assert "PROFILE_PLAYBACK_INTERNAL_URL" in (report.error or "")


def test_a_secure_cookie_travels_below_a_public_https_origin(form: Path) -> None:
    with serving(Members(secure=True)) as url:
        environ = SECRETS | {"PROFILE_PLAYBACK_INTERNAL_URL": url}
        report = replay(SLUG, form, Options(base_url="https://members.example"), environ)
    assert report.result == "passed", render(report)
