"""The promise: what is known to be secret never reaches the disk, and is recognised wherever it stood."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from recorder import Settings, wrap
from recorder.core import get_recorder
from recorder.pseudonyms import PSEUDONYM
from tests.recorder.watching import call_wsgi, environ, events, exchanges, on_disk

TOKEN = "IjQ3+/Zq=<&>\"x'é-77_kk=="
PASSWORD = "correct horse/battery"
SESSION = ".eJwlzjEOwzAIAMC_eO5gMBjIZyIwWO2aNFPVv7dSp5vuXfZ95PEo2-u48lb2Z5StmGbvlTQVJLuNFVEBMu"
PAGE = f"""<!doctype html><meta name="csrf-token" content="{html.escape(TOKEN)}">
<form action="/submit?csrf_token={quote(TOKEN, safe="")}"><input type="hidden" name="csrf_token" value="{html.escape(TOKEN)}">
<input type="password" name="password" value="{html.escape(PASSWORD)}"></form>
<script>var csrfToken = {json.dumps(TOKEN)}; window.state = JSON.parse({json.dumps(json.dumps({"csrfToken": TOKEN}))})</script>
"""


def site(made: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    body = made["wsgi.input"].read()
    if made["PATH_INFO"] == "/form":
        cookies = [("Set-Cookie", f"csrftoken={quote(TOKEN)}; Path=/"), ("Set-Cookie", f"session={SESSION}; HttpOnly")]
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), *cookies])
        return [PAGE[:200].encode(), PAGE[200:].encode()]
    start_response("200 OK", [("Content-Type", "application/json")])
    echo = {"you": "ada", "echo": body.decode("utf-8", "replace"), "token": TOKEN, "cookie": made.get("HTTP_COOKIE")}
    return [json.dumps(echo).encode()]


def part(name: str, value: str) -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def forms_of(value: str) -> set[bytes]:
    forms = {value, quote(value), quote(value, safe=""), html.escape(value), json.dumps(value)[1:-1]}
    forms |= {base64.b64encode(value.encode()).decode(), json.dumps(json.dumps(value))[3:-3]}
    return {form.encode() for form in forms}


@pytest.fixture
def log_dir(tmp_path: Path) -> Path:
    app = wrap(site, Settings(root=tmp_path))
    cookies = ("Cookie", f'csrftoken="{quote(TOKEN)}"; session={SESSION}')
    form = urlencode({"user": "ada", "password": PASSWORD, "csrf_token": TOKEN}).encode()
    basic = base64.b64encode(f"ada:{PASSWORD}".encode()).decode()
    requests = [
        environ("/form"),
        environ("/submit", "POST", form, [cookies, ("Content-Type", "application/x-www-form-urlencoded")]),
        environ(
            "/api",
            "POST",
            json.dumps({"password": PASSWORD, "note": f"my {PASSWORD}!"}).encode(),
            [cookies, ("X-CSRFToken", TOKEN.encode().decode("latin-1")), ("Content-Type", "application/json")],
        ),
        environ(
            "/upload",
            "POST",
            part("csrf_token", TOKEN) + b"--b--\r\n",
            [("Content-Type", "multipart/form-data; boundary=b")],
        ),
        environ("/basic", headers=[("Authorization", f"Basic {basic}")], query=urlencode({"token": TOKEN})),
        environ("/echo", "POST", form, [("Content-Type", "text/plain")]),
    ]
    for made in requests:
        call_wsgi(app, made)
    assert get_recorder(Settings(root=tmp_path)).lost == 0
    return tmp_path / "_logs"


@pytest.mark.parametrize("secret", [TOKEN, PASSWORD, SESSION])
def test_no_secret_is_on_the_disk_in_any_form(log_dir: Path, secret: str) -> None:
    everything = on_disk(log_dir.parent)
    for form in forms_of(secret):
        assert form not in everything, form


def test_the_token_is_one_hex_wherever_it_stood(log_dir: Path) -> None:
    digest = get_recorder(Settings(root=log_dir.parent)).pseudonyms.digest(TOKEN)
    (page, submit, api, upload, basic, echo) = exchanges(log_dir)
    text = page[1]["payload"]["body"]["text"]
    assert [found[2] == digest for found in PSEUDONYM.finditer(text)] == [True, True, True, False, True, True]
    places = [
        page[1]["payload"]["headers"],
        submit[0]["payload"]["headers"],
        submit[1]["payload"]["request_body"]["text"],
        submit[1]["payload"]["body"]["text"],
        api[0]["payload"]["headers"],
        upload[1]["payload"]["request_body"]["parts"][0]["text"],
        upload[1]["payload"]["body"]["text"],
        basic[0]["payload"]["query"],
        echo[1]["payload"]["request_body"]["text"],
    ]
    assert [digest in str(place) for place in places] == [True] * len(places)
    header = dict(api[0]["payload"]["headers"])["x-csrftoken"]
    assert header.startswith("secret-csrf-")


def test_what_is_no_secret_is_still_there(log_dir: Path) -> None:
    submit = exchanges(log_dir)[1][1]["payload"]
    assert submit["request_body"]["text"].startswith("user=ada&password=secret-password-")
    assert json.loads(submit["body"]["text"])["you"] == "ada"
    basic = exchanges(log_dir)[4][0]["payload"]["headers"]
    assert dict(basic)["authorization"].startswith("Basic ada:secret-password-")


def test_the_user_is_a_keyed_hash(log_dir: Path) -> None:
    session = exchanges(log_dir)[4][0]["session"]
    assert session["user"] == get_recorder(Settings(root=log_dir.parent)).pseudonyms.digest("ada")


def test_redactions_point_at_what_was_replaced(log_dir: Path) -> None:
    pointed = 0
    for record in events(log_dir, "http_request"):
        for body in (record["payload"].get("request_body"), record["payload"].get("body")):
            for redaction in (body or {}).get("redactions", []):
                pointer, pseudonym = redaction["pointer"], redaction["pseudonym"]
                pointed += 1
                if pointer.startswith("/@"):
                    assert body["text"][int(pointer[2:]) :].startswith(pseudonym)
                elif body["media_type"] == "application/json":
                    assert pseudonym in json.loads(body["text"])[pointer[1:]]
    assert pointed >= 14
