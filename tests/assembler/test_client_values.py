"""Values the client made itself: sent again as they were, made anew where they are secrets, never taken from an echo."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

from assembler.document import load_profile
from playback.template import Scope
from tests.assembler.deployment import Deployment
from tests.assembler.recorded import JSON, Call, api, form, get, profile_of

NONCE = "5tYb0Qm2xKpW8vRz4LsN7cJd"
SERVER = "p0Qx7RtYw2LmNb5VcZa8KsJd"


def test_a_double_submit_made_by_the_client_is_made_anew_once(tmp_path: Path) -> None:
    both = [("cookie", f"csrftoken={NONCE}"), ("x-csrftoken", NONCE), JSON]
    step = profile_of(tmp_path, [Call("POST", "/save", '{"ok": true}', kind=JSON, sent=both, body='{"a": 1}')]).steps[0]
    assert step.cookies == {"csrftoken": "{{ generated.csrftoken }}"}
    assert step.headers["x-csrftoken"] == "{{ generated.csrftoken }}"


def test_a_cookie_that_a_script_made_of_an_answer(tmp_path: Path) -> None:
    calls = [
        api("GET", "/token", f'{{"access_token": "{SERVER}"}}'),
        get("/home", "hello", sent=[("cookie", f"auth_token={SERVER}")]),
    ]
    first, second = profile_of(tmp_path, calls).steps
    assert second.cookies == {"auth_token": "{{ steps.get-token.access_token }}"}
    assert first.extract["access_token"].json_ == "access_token"


def test_a_cookie_that_a_script_made_of_an_answer_from_before_the_capture(tmp_path: Path) -> None:
    site = Deployment(tmp_path)
    site.send("GET", "/token", f'{{"access_token": "{SERVER}"}}', kind=JSON[1])
    capture = site.start()
    site.send("GET", "/home", "hello", headers=[("cookie", f"auth_token={SERVER}")])
    site.end(capture)
    profile = site.profile()
    assert [step.path for step in profile.prologue] == ["/token"]
    assert profile.steps[0].cookies == {"auth_token": "{{ steps.get-token.access_token }}"}


def test_a_session_cookie_from_nowhere_stops_promotion(tmp_path: Path) -> None:
    profile_of(tmp_path, [get("/home", "hello", sent=[("cookie", f"sessionid={SERVER}")])])
    status = (tmp_path / "data/profiles/_drafts/draft/status.json").read_text()
    assert "sent the cookie 'sessionid', which no recorded answer set" in status


def test_a_name_the_client_chose_stays_literal_though_the_answer_repeats_it(tmp_path: Path) -> None:
    uuid = "8f14e45f-ceea-467a-9f0b-1c2d3e4f5a6b"
    calls = [
        api(
            "POST",
            "/things",
            f'{{"key": "{uuid}", "name": "brave-otter"}}',
            f'{{"key": "{uuid}", "name": "brave-otter"}}',
        ),
        form(f"/things/{uuid}/rename", "name=brave-otter"),
    ]
    profile = profile_of(tmp_path, calls)
    assert profile.steps[1].path == f"/things/{uuid}/rename"
    assert profile.steps[1].form == [("name", "brave-otter")]
    assert all(not step.extract for step in profile.steps)
    assert load_profile(tmp_path / "data/profiles/_drafts/draft/profile.yaml") == profile


def test_what_tells_a_request_from_its_repetition_is_minted_anew(tmp_path: Path) -> None:
    """A key sent by an earlier replay would be answered from memory; one that was sent again must be the same again."""
    key, other, quoted = "0b7f5c1e-2222-4333-8444-555566667777", "kQz81xPm4Vt0aa7LwYd2", '"9c7f5c1e-2222-4333-8444-555566667777"'
    posts = [
        Call("POST", "/pay", '{"ok": true}', kind=JSON, sent=[("idempotency-key", value)], body="x")
        for value in (key, key, other, quoted)
    ]
    sent = [step.headers["idempotency-key"] for step in profile_of(tmp_path, posts).steps]
    assert sent == [
        "{{ generated.idempotency_key_uuid }}",
        "{{ generated.idempotency_key_uuid }}",
        "{{ generated.idempotency_key_2 }}",
        '"{{ generated.idempotency_key_3_uuid }}"',
    ]


def test_a_minted_value_has_the_shape_of_the_recorded_one() -> None:
    scope = Scope()
    first = scope.get("generated.idempotency_key_uuid")
    assert str(UUID(first)) == first == scope.get("generated.idempotency_key_uuid")
    assert Scope().get("generated.idempotency_key_uuid") != first
    assert len(scope.get("generated.idempotency_key")) >= 24


def test_each_login_with_a_challenge_makes_its_verifier_anew(tmp_path: Path) -> None:
    calls: list[Call] = []
    for verifier in ("v0Kd83mXqTz5Rb2WnYp7Lc9HsJf4Ga6VeUo1Ii-_xQw3D", "nB7cVx2ZaQ9wSe4RdF6tGy1HuJ3iKo5LpM8_-XzCvBnMa"):
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        address = f"/authorize?state=abc&code_challenge={challenge}&code_challenge_method=S256"
        calls.append(get(f"/login?next={quote(address, safe='')}", f"<a href='{escape(address)}'>on</a>"))
        calls.append(get(address, f"<input type=hidden name=code_challenge value={challenge}>"))
        calls.append(form("/authorize", f"code_challenge={challenge}&allow=1"))
        calls += [form("/token", f"code_verifier={verifier}&count={count}", "{}") for count in range(2)]
    profile = profile_of(tmp_path, calls)
    for number, ending in ((0, ""), (5, "_2")):
        login, page, allow, *tokens = profile.steps[number : number + 5]
        challenge = f"{{{{ generated.code_challenge{ending} }}}}"
        assert challenge in (login.query or "")
        assert f"code_challenge={challenge}&" in (page.query or "")
        assert dict(allow.form or [])["code_challenge"] == challenge
        assert [dict(t.form or [])["code_verifier"] for t in tokens] == [f"{{{{ generated.code_verifier{ending} }}}}"] * 2
