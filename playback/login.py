"""Log in as the administrator: by the application's own login form, or in place of the recorded user.

A form login finds the page, fills the one password field and the field beside it, and is believed only when the
answer no longer shows the form.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urljoin, urlsplit

import httpx

from assembler.profile import Profile, Step
from playback.errors import Unjudgeable
from playback.markup import Form, read_page
from playback.target import Target
from playback.template import names_in
from playback.wire import Client, Request

__all__ = ["admin_steps", "form_login"]

_USER_FIELDS = ("email", "username", "user", "login", "name")
_PATHS = ("/login", "/accounts/login/", "/auth/login")


def form_login(client: Client, target: Target, user: str, password: str) -> None:
    """Log `client` in by the first login form found below the target's base path. Raises `Unjudgeable`."""
    base = target.base_path.rstrip("/")
    for path in _PATHS:
        try:
            answer = _follow(client, target, Request("GET", base + path, "", [("accept", "text/html")], {}))
        except httpx.RequestError as error:
            raise Unjudgeable(
                f"Nothing answers at {target.internal_origin} ({error}). Start the application, or say where it is with --base-url."
            ) from error
        form = _login_form(answer)
        if form is None:
            continue
        action = urlsplit(urljoin(f"{target.origin}{base}{path}", form.action or path))
        secret = next(f for f in form.fields if f.kind == "password")
        name = _user_field(form)
        fields = [
            (f.name, user if f is name else password if f is secret else f.value)
            for f in form.fields
            if f.kind not in ("submit", "button", "checkbox", "file")
        ]
        headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", target.origin),
            ("referer", f"{target.origin}{base}{path}"),
        ]
        try:
            answer = _follow(
                client, target, Request("POST", action.path, action.query, headers, {}, urlencode(fields).encode())
            )
        except httpx.RequestError as error:
            raise Unjudgeable(
                f"The login of {user} at {action.path} got no answer ({error}). Look at the application's log."
            ) from error
        if answer.status_code in (401, 403) or _login_form(answer) is not None:
            raise Unjudgeable(
                f"The login of {user} at {action.path} was refused. Check ADMIN_EMAIL and ADMIN_PASSWORD."
            )
        return
    raise Unjudgeable(
        f"No login form was found at {', '.join(base + p for p in _PATHS)}; give --cookie, or record the login in the profile."
    )


def _follow(client: Client, target: Target, request: Request) -> httpx.Response:
    """The answer after at most five redirects within the origin."""
    answer = client.send(request)
    for _ in range(5):
        location = answer.headers.get("location")
        if answer.status_code not in (301, 302, 303, 307, 308) or not location:
            break
        parts = urlsplit(urljoin(f"{target.origin}{request.path}", location))
        if f"{parts.scheme}://{parts.netloc}" != target.origin:
            break
        request = Request("GET", parts.path or "/", parts.query, [("accept", "text/html")], {})
        answer = client.send(request)
    return answer


def _login_form(answer: httpx.Response) -> Form | None:
    if answer.status_code >= 400 or "html" not in answer.headers.get("content-type", ""):
        return None
    return next((f for f in read_page(answer.text).forms if sum(x.kind == "password" for x in f.fields) == 1), None)


def _user_field(form: Form) -> object:
    texts = [f for f in form.fields if f.kind in ("text", "email", "input", "")]
    return next((f for wanted in _USER_FIELDS for f in texts if wanted in f.name.lower()), texts[0] if texts else None)


def admin_steps(profile: Profile, environ: Mapping[str, str]) -> Profile:
    """The profile with the administrator in place of whoever logged in when it was recorded (`metadata.login: admin`)."""
    user, password = environ.get("ADMIN_EMAIL"), environ.get("ADMIN_PASSWORD")
    if not user or not password:
        raise Unjudgeable(
            "The profile replays as administrator (metadata.login: admin), and ADMIN_EMAIL or ADMIN_PASSWORD is not set."
        )
    return profile.model_copy(
        update={
            "prologue": [_as_admin(s, user) for s in profile.prologue],
            "steps": [_as_admin(s, user) for s in profile.steps],
        }
    )


def _as_admin(step: Step, user: str) -> Step:
    if step.form is None or not any(n.startswith("secrets.PASS") for n in names_in(step.form)):
        return step
    form = [
        (n, user if any(w in n.lower() for w in _USER_FIELDS) and not any(True for _ in names_in(v)) else v)
        for n, v in step.form
    ]
    return step.model_copy(update={"form": form})
