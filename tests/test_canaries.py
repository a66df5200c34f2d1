"""Five hundred secrets, each in its own way in, each said again by the application in another: none is in any file."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from assembler import assemble
from assembler.promote import NotPromotable, promote
from playback.engine import Options, replay
from recorder.log import LOG_NAME
from tests.apps.canary_wsgi import SAID, canary
from tests.recorder.watching import exchanges
from tests.support import Server

SLUG, EACH = "canaries", 40
NEEDED = re.compile(r"{{ *secrets\.(\w+) *}}")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
XML = {"Content-Type": "application/xml"}


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def part(secret: str) -> bytes:
    head = '--cut\r\nContent-Disposition: form-data; name="{}"\r\n\r\n'
    return f"{head.format('user')}ada\r\n{head.format('api_key')}{secret}\r\n--cut--\r\n".encode()


def nested(secret: str) -> bytes:
    inner = json.dumps({"client_secret": secret})
    return json.dumps(
        {"a": [{"b": {"access_token": secret}}, {"name": "password", "value": secret}], "raw": inner}
    ).encode()


Sent = tuple[str, bytes | None, dict[str, str]]
"""What stands behind `?` in the address, the body, and headers."""
WAYS: dict[str, Callable[[str], Sent]] = {
    "cookie": lambda secret: ("", None, {"Cookie": f"theme=dark; session={secret}"}),
    "bearer": lambda secret: ("", None, {"Authorization": f"Bearer {secret}"}),
    "basic": lambda secret: ("", None, {"Authorization": f"Basic {in_base64(f'ada:{secret}')}"}),
    "header": lambda secret: ("", None, {"X-API-Key": secret}),
    "query": lambda secret: (f"page=2&api_key={secret}", None, {}),
    "form": lambda secret: ("", urlencode({"user": "ada", "password": secret}).encode(), FORM),
    "json": lambda secret: ("", json.dumps({"user": "ada", "token": secret}).encode(), JSON),
    "nested json": lambda secret: ("", nested(secret), JSON),
    "multipart": lambda secret: ("", part(secret), {"Content-Type": "multipart/form-data; boundary=cut"}),
    "xml": lambda secret: ("", f"<login><user>ada</user><password>{secret}</password></login>".encode(), XML),
    "base64": lambda secret: ("", urlencode({"password": secret, "note": in_base64(f"my {secret}!")}).encode(), FORM),
    "url-encoded": lambda secret: (f"next={quote(f'/a?token={secret}&b=1', safe='')}", None, {}),
    "gzip": lambda secret: (
        "",
        gzip.compress(json.dumps({"password": secret}).encode()),
        {**JSON, "Content-Encoding": "gzip"},
    ),
}


def spellings(secret: str) -> list[bytes]:
    """The secret, which no escaping changes, and what base64 of any text that holds it must hold."""
    found = [secret]
    for shift in range(3):
        blob = base64.b64encode(b"\0" * shift + secret.encode()).decode().rstrip("=")
        found.append(blob[(0, 2, 3)[shift] : len(blob) - (1 if (shift + len(secret)) % 3 else 0)])
    return [each.encode() for each in found]


def left_in(folder: Path, secrets: list[str]) -> list[str]:
    """Which files hold which secrets, in any spelling; what is compressed is looked into."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        here = (secret for secret in secrets if any(form in content for form in spellings(secret)))
        found += [f"{path.relative_to(folder)}: {secret}" for secret in here]
    return found


def server(root: Path, **env: str) -> Server:
    env |= {"RECORDER_ROOT": str(root), "WRAPPED_APP": "tests.apps.canary_wsgi:app"}
    return Server.gunicorn("tests.apps.wrapped:app", env=env, options=["--threads", "2"])


def record(folder: Path, ways: Iterable[str], each: int) -> list[str]:
    """Send so many secrets in each way, and take as many that the application hands out. Returns them all."""
    with server(folder / "recorder", RECORDER_CAPTURE=SLUG) as running:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
        for number in range(each):
            connection.request("GET", f"/given/{number}")
            assert canary("given", number).encode() in connection.getresponse().read()
            for way in ways:
                query, body, headers = WAYS[way](canary(way, number))
                how = sorted(SAID)[number % len(SAID)]
                connection.request("POST" if body else "GET", f"/said/{how}?{query}", body, headers)
                answer = connection.getresponse()
                assert answer.read()
                assert answer.status == 200
        connection.close()
    return [canary(way, number) for way in (*ways, "given") for number in range(each)]


def test_none_of_560_is_in_the_log_or_the_draft(tmp_path: Path) -> None:
    secrets = record(tmp_path, WAYS, EACH)
    assert len(set(secrets)) == (len(WAYS) + 1) * EACH == 560
    log = tmp_path / "recorder" / "_logs"
    assert len(exchanges(log)) == 560 + 1  # the server was asked whether it is there
    assert (log / LOG_NAME).read_text().count("secret-") > 560, "they are there, under their pseudonyms"
    assert left_in(tmp_path, secrets) == []
    assemble(tmp_path / "recorder", SLUG, tmp_path / "data")
    assert (tmp_path / "data/profiles/_drafts" / SLUG / "events.jsonl").exists()
    assert left_in(tmp_path, secrets) == []
    with pytest.raises(NotPromotable):  # a cookie that no answer set, and a secret inside base64, come from nowhere
        promote(SLUG, tmp_path / "data")


def test_none_is_in_a_profile_or_a_report(tmp_path: Path) -> None:
    """A replay is given secrets of its own, and says them no more than the recording did."""
    secrets = record(tmp_path, [way for way in WAYS if way not in ("cookie", "base64")], len(SAID))
    assemble(tmp_path / "recorder", SLUG, tmp_path / "data")
    promote(SLUG, tmp_path / "data")
    names = sorted(set(NEEDED.findall((tmp_path / "data/profiles" / SLUG / "profile.yaml").read_text())))
    assert len(names) >= 7 * len(SAID)
    given = {f"PROFILE_SECRET_{name}": canary("replay", number) for number, name in enumerate(names)}
    with server(tmp_path / "fresh", RECORDER_ENVIRONMENT="test") as running:
        report = replay(SLUG, tmp_path / "data", Options(base_url=running.url, keep_going=True), given)
    assert all(step.result != "skipped" for step in report.steps)
    assert len(report.steps) > 10 * len(SAID)
    assert list((tmp_path / "data/profiles/results" / SLUG).rglob("report.json"))
    assert left_in(tmp_path, [*secrets, *given.values()]) == []
