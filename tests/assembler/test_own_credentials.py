"""A credential that the client builds itself, `user:token` in base64 in a header of the application's own."""

from __future__ import annotations

import base64
from pathlib import Path

from playback.template import Scope
from playback.wire import compose
from tests.assembler.recorded import JSON, Call, api, profile_of

TOKEN = "kV8yQ2mXw0Zr5TnB7cJd.9fGh"


def test_it_is_taken_from_the_login_and_built_again(tmp_path: Path) -> None:
    pair = base64.b64encode(f"root:{TOKEN}".encode()).decode()
    login = api(
        "POST", "/+login", f'{{"result": {{"password": "{TOKEN}"}}}}', '{"user": "root", "password": "hush-hush"}'
    )
    change = Call("PUT", "/root/dev", "{}", kind=JSON, sent=[JSON, ("x-index-auth", pair)], body="{}")
    profile = profile_of(tmp_path, [login, change])
    step = profile.steps[1]
    name = next(iter(profile.steps[0].extract))
    assert step.headers["x-index-auth"] == f"base64(root:{{{{ steps.{profile.steps[0].id}.{name} }}}})"
    scope = Scope(steps={profile.steps[0].id: {name: "another-token"}})
    sent = dict(compose(step, scope, tmp_path, {}).headers)
    assert base64.b64decode(sent["x-index-auth"]) == b"root:another-token"
    stored = "".join(p.read_text("utf-8", "replace") for p in tmp_path.rglob("*") if p.is_file())
    assert TOKEN not in stored
    assert pair not in stored
