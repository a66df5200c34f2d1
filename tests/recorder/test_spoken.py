"""Secrets in more than a hundred ways in which applications say them, over a real server: none is on the disk."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from recorder import Settings, wrap
from recorder.names import Names
from recorder.pseudonyms import Pseudonyms
from recorder.redaction import Redactor
from tests.recorder.spoken import FAILURES, SAID, SECRET
from tests.recorder.watching import call_wsgi, environ, events, exchanges, last, on_disk
from tests.support import Server


def betrayed(secret: str | bytes, disk: bytes) -> bool:
    if isinstance(secret, bytes):
        return secret in disk
    spelt = [secret, quote(secret, safe=""), json.dumps(secret)[1:-1]]
    for shift in range(3):
        blob = base64.b64encode(b"\0" * shift + secret.encode()).decode().rstrip("=")
        spelt.append(blob[(0, 2, 3)[shift] : len(blob) - (1 if (shift + len(secret)) % 3 else 0)])
    return any(each.encode() in disk for each in spelt)


@pytest.mark.parametrize("name", [*SAID, *FAILURES])
def test_what_is_said_is_not_told(recorded: dict[str, bytes], name: str) -> None:
    secret = SAID[name].secret if name in SAID else FAILURES[name][0]
    assert recorded[name], "it was recorded"
    assert b"secret-" in recorded[name]
    assert not betrayed(secret, recorded[name]), recorded[name]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the log and the bodies say of each exchange, by name."""
    folder = tmp_path_factory.mktemp("spoken")
    root, mirror = folder / "recorder", folder / "mirror.json"
    told: dict[str, object] = {
        f"{number}": (
            said.status,
            [("Content-Type", said.media_type), *said.headers],
            base64.b64encode(said.body).decode(),
        )
        for number, said in enumerate(SAID.values())
        if said.status
    }
    mirror.write_text(json.dumps(told | {f"f{number}": text for number, (_, text) in enumerate(FAILURES.values())}))
    env = {"RECORDER_ROOT": str(root), "WRAPPED_APP": "tests.apps.mirror_wsgi:app", "MIRROR": str(mirror)}
    with Server.gunicorn("tests.apps.wrapped:app", env=env) as server:
        for number, said in enumerate(SAID.values()):
            if said.status:
                ask(server, f"/answer/{number}")
            else:
                headers = dict(said.headers) | ({"Content-Type": said.media_type} if said.media_type else {})
                ask(server, (said.path or "/said") + (f"?{said.query}" if said.query else ""), said.body, headers)
        for number in range(len(FAILURES)):
            ask(server, f"/fail/f{number}")
    asked = exchanges(root / "_logs")[1:]  # the server was asked whether it is there
    assert len(asked) == len(SAID) + len(FAILURES)
    assert not [event for event in events(root / "_logs", "system_log") if event["payload"]["kind"] != "log_opened"]
    found = {}
    for name, pair in zip([*SAID, *FAILURES], asked, strict=True):
        bodies = [pair[1]["payload"][body] or {} for body in ("request_body", "body")]
        stored = [(root / "_logs" / body["ref"]).read_bytes() for body in bodies if "ref" in body]
        found[name] = b"\0".join([json.dumps(pair).encode(), json.dumps(pair, ensure_ascii=False).encode(), *stored])
    for name, said in SAID.items():
        if isinstance(said.secret, bytes):
            assert not betrayed(said.secret, on_disk(root)), name
    return found


def ask(server: Server, target: str, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST" if body else "GET", target, body or None, headers or {})
    connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize(
    "text",
    [
        "Password: required\nToken: expired\n",
        "the password is too short; a token is needed; passwords and secrets",
        "user=ada postcode=code=12345678 status_code=20000000",
        "costs $25.00, $1.50 and $$ or ${HOME}",
        "login(user=user, password=password) in view.py, line 3\n    password = form.password\n    token = get_token()",
        "usage: prog [--token TOKEN] [--password PASSWORD]\n",
        "postgresql://ada:${PASSWORD}@h/db and postgresql://ada:$PASSWORD@h/db",
        "design=aaaaaaaaaaaaaaaaaaa1&assign=bbbbbbbbbbbbbbbbb2",
        "name,age,role\nada,36,admin\n",
        "token 6f1c9a52-0d5c-4a59-9a6b-1f1f3d6a3f10 was seen",
        "-----BEGIN PRIVATE KEY----- is how a key begins",
    ],
)
def test_what_only_resembles_a_secret_stays(text: str) -> None:
    redactor = Redactor(Names(), Pseudonyms(b"k" * 32))
    assert redactor.render(redactor.scan(text, "text"))[0] == text


@pytest.mark.parametrize(
    "text",
    [
        '{"credentials": {"username": "ada2024lovelace", "id": "abc123def456", "url": "/a/b1c2d3e4f5"}}',
        '{"secrets": {"one": "6f1c9a52-0d5c-4a59-9a6b-1f1f3d6a3f10", "two": "ada1@b2.example", "three": "two words 2"}}',
        '{"postal": {"code": "A1B2C3D4E5"}, "tokens": ["the", "cat"], "max_tokens": 4096}',
    ],
)
def test_what_stands_among_secrets_and_is_none_stays(text: str) -> None:
    redactor = Redactor(Names(), Pseudonyms(b"k" * 32))
    assert redactor.render(redactor.scan(text, "json"))[0] == text


def test_what_one_text_of_an_exchange_names_is_taken_out_of_the_others(tmp_path: Path) -> None:
    """A message repeats, without a word about it, what its cause says is a password; so does what was answered by then."""

    def failing(made: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield f"trying {SECRET}\n".encode()
        try:
            raise ValueError(f"refused: password={SECRET}")
        except ValueError as error:
            raise RuntimeError(f"nobody comes in with {SECRET}") from error

    with pytest.raises(RuntimeError):
        call_wsgi(wrap(failing, Settings(root=tmp_path)), environ("/"))
    told = last(tmp_path / "_logs")
    assert told["error"]["message"].startswith("nobody comes in with secret-password-")
    assert told["body"]["text"].startswith("trying secret-password-")
    assert SECRET.encode() not in on_disk(tmp_path)
