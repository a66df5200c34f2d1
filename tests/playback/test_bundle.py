"""The diagnostics explain a failure to somebody who was not there, and hold no secret."""

from __future__ import annotations

import base64
import gzip
import html
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from playback import bundle
from playback.engine import Options, replay
from playback.evidence import Evidence, KeyFile, Told, answer_diff
from playback.redact import HIDDEN, Redaction, hide
from playback.report import Report
from playback.results import write
from playback.trail import Exchange
from playback.wire import Request
from recorder.media import Kind
from tests.playback.reports import failed
from tests.playback.site import PAGE, Answer, Site, profile

PASSWORD = "correct horse/battery"
SESSION = "5f2b8c1d9e7a4f60"
ISSUED = "Zm9vYmFyYmF6cXV4MTIzNDU2"
SECRETS = (PASSWORD, SESSION, ISSUED, "correct+horse", "correct%20horse")
PROFILE = {
    "metadata": {
        "slug": "shop",
        "run": "clone",
        "recorded_with": {
            "origin": "http://127.0.0.1:1",
            "run_id": "bashful-moraine",
            "started": "2026-01-05T10:00:00Z",
        },
    },
    "prerequisites": {"components": {"shop": "1.4.2"}},
    "steps": [
        {"id": "home", "took": 0.01, "path": "/", "expect": {"status": 200, "media_type": "text/html"}},
        {
            "id": "login",
            "took": 0.01,
            "method": "POST",
            "path": "/login",
            "form": [["email", "ada@example.org"], ["password", "{{ secrets.PASSWORD }}"]],
            "expect": {"status": 200, "media_type": "text/html", "cookies": ["session"]},
        },
        {
            "id": "order",
            "took": 0.01,
            "method": "POST",
            "path": "/orders",
            "json": '{"run": "{{ run_id }}", "password": "{{ secrets.PASSWORD }}"}',
            "expect": {"status": 200, "media_type": "application/json", "body": "baseline/answers/order.json"},
        },
        {"id": "later", "took": 0.01, "path": "/", "expect": {"status": 200}},
    ],
    "comparisons": [{"target": "out/table.csv", "method": "exact_hash"}],
}


@pytest.fixture
def shop(tmp_path: Path) -> Any:
    """An application that shows its secrets wherever it can, replayed to its first failing step."""
    files: dict[str, Any] = {
        "seed/run/main.cfg": "[run]\n",
        "baseline/answers/order.json": {"run": "bashful-moraine", "total": 3, "csrf_token": "secret-csrf-" + "0" * 32},
        "baseline/run/out/table.csv": "a\n",
    }
    profile(tmp_path, json.dumps(PROFILE), files)
    asked: list[str] = []

    def order(sent: str) -> Answer:
        asked.append(sent)
        run = json.loads(sent)["run"]
        folder = tmp_path / "playback_runs" / run.rpartition(";")[2]
        (folder / "_logs").mkdir(exist_ok=True)
        (folder / "_logs" / "profile.events.jsonl").write_text('{"category": "http_request"}\n')
        (folder / "app.log").write_text(f"login with {PASSWORD}\nsession {SESSION}\nX-CSRF-Token: {ISSUED}\nthe end\n")
        (folder / "out").mkdir(exist_ok=True)
        (folder / "out" / "table.csv").write_text(f"b,{PASSWORD}\n")
        body = {"run": run, "total": 4, "csrf_token": ISSUED, "hint": f"you sent {PASSWORD}"}
        return Answer(body, headers={"X-Session": SESSION, "X-CSRF-Token": ISSUED})

    routes = {
        "/": lambda sent: Answer(f'<h1>Shop</h1><input name="csrf_token" value="{ISSUED}">', PAGE),
        "/login": lambda sent: Answer("<h1>In</h1>", PAGE, headers={"Set-Cookie": f"session={SESSION}; Path=/"}),
        "/orders": order,
    }
    with Site(routes) as site:

        def run(**options: Any) -> Report:
            return replay(
                "shop", tmp_path, Options(base_url=site.url, **options), {"PROFILE_SECRET_PASSWORD": PASSWORD}
            )

        yield run


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_failing_step_leaves_what_explains_it(shop: Any) -> None:
    report = shop()
    assert (report.result, report.failing_step) == ("failed", "order")
    folder = Path(report.diagnostics)
    assert names(folder) == [
        "answer.txt", "before/1-home.txt", "before/2-login.txt", "curl.sh", "difference.diff", "expected.txt",
        "logs/_logs/profile.events.jsonl", "logs/app.log", "report.json", "request.txt", "summary.txt", "versions.json",
    ]  # fmt: skip
    assert (folder / "request.txt").read_text().startswith("POST /orders\n")
    assert "HTTP 200" in (folder / "before/2-login.txt").read_text()
    difference = (folder / "difference.diff").read_text().splitlines()
    assert '-  "total": 3' in difference
    assert '+  "total": 4' in difference
    assert not any("bashful-moraine" in line for line in difference)  # the recorded run reads as this one
    assert (folder / "logs/app.log").read_text().endswith("the end\n")
    versions = json.loads((folder / "versions.json").read_bytes())
    assert versions["recorded"] == {"shop": "1.4.2"}
    assert set(versions) >= {"python", "system", "profile-test-engine", "rq"}
    assert json.loads((folder / "report.json").read_bytes())["diagnostics"] == str(folder)
    assert '"$PROFILE_SECRET_PASSWORD"' in (folder / "curl.sh").read_text()


def test_no_secret_is_anywhere_in_a_result(shop: Any) -> None:
    report = shop(keep_going=True)
    folder = Path(report.diagnostics)
    assert "files/actual/out/table.csv" in names(folder)
    holding = [
        f"{path.relative_to(folder.parent)} holds {secret}"
        for path in folder.parent.rglob("*")
        if path.is_file()
        for secret in SECRETS
        if secret in path.read_text(errors="replace")
    ]
    assert holding == []
    assert f"login with {HIDDEN}" in (folder / "logs/app.log").read_text()
    assert f"you sent {HIDDEN}" in (folder / "answer.txt").read_text()
    assert (folder / "files/actual/out/table.csv").read_text() == f"b,{HIDDEN}\n"
    assert (folder / "files/expected/out/table.csv").read_text() == "a\n"
    assert "secret-csrf-0000" in (folder / "expected.txt").read_text()  # a pseudonym stays one


def test_a_refused_login_shows_what_the_application_said(shop: Any, tmp_path: Path) -> None:
    path = tmp_path / "profiles/shop/profile.yaml"
    path.write_text(path.read_text().replace('"/login"', '"/refused"'))
    with Site({"/": lambda s: Answer("", PAGE), "/refused": lambda s: Answer(f"not {PASSWORD}", PAGE, 401)}) as site:
        report = replay("shop", tmp_path, Options(base_url=site.url), {"PROFILE_SECRET_PASSWORD": PASSWORD})
    assert report.result == "error"
    answer = (Path(report.diagnostics or "") / "answer.txt").read_text()
    assert answer.startswith("HTTP 401")
    assert answer.endswith(f"not {HIDDEN}")


def test_logs_are_those_written_since_and_no_links(tmp_path: Path) -> None:
    workspace = tmp_path / "run"
    began = datetime.now(UTC) - timedelta(seconds=1)  # the clock of files is a few milliseconds behind
    for name in ("_logs/application.txt", "wepp/run.log", "wepp/old.log", "wepp/input.txt", "_logs/profile.bodies/ab"):
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text(name)
    long_ago = (began - timedelta(hours=1)).timestamp()
    os.utime(workspace / "wepp/old.log", (long_ago, long_ago))
    (tmp_path / "private").write_text("outside")
    (workspace / "wepp/link.log").symlink_to(tmp_path / "private")
    (workspace / "linked.csv").symlink_to(tmp_path / "private")
    os.mkfifo(workspace / "pipe.csv")
    files = [KeyFile(name, tmp_path / "nothing", workspace / name) for name in ("linked.csv", "pipe.csv", "gone.csv")]
    report = failed(run_dir=str(workspace), started_at=began.isoformat())
    folder = write(report, tmp_path, Evidence(files=files)) / "diagnostics"
    assert names(folder) == [
        "logs/_logs/application.txt", "logs/wepp/run.log", "report.json", "summary.txt", "versions.json",
    ]  # fmt: skip


def test_of_a_huge_log_the_end_is_kept_without_half_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "LOG_LIMIT", 20)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "x.log").write_text("password is hunter2hunter2\nthe end\n")
    report = failed(run_dir=str(tmp_path / "run"), started_at="2001-01-01T00:00:00Z")
    folder = write(report, tmp_path, Evidence(Redaction(["hunter2hunter2"])))
    assert (folder / "diagnostics/logs/x.log").read_text() == "the end\n"


def test_of_a_huge_file_the_beginning_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "FILE_LIMIT", 4)
    (tmp_path / "was").write_bytes(b"\0abcdef")
    (tmp_path / "now").write_bytes(b"\0abX")
    folder = write(failed(), tmp_path, Evidence(files=[KeyFile("o/t.bin", tmp_path / "was", tmp_path / "now")]))
    files = folder / "diagnostics/files"
    assert (files / "expected/o/t.bin.first-4-bytes").read_bytes() == b"\0abc"
    assert (files / "actual/o/t.bin").read_bytes() == b"\0abX"


@pytest.mark.parametrize("name", ["../escaped", "/etc/escaped", "a/../../b"])
def test_files_stay_below_the_diagnostics(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="does not name a file below"):
        write(failed(), tmp_path, Evidence(files=[KeyFile(name, tmp_path / "file", tmp_path / "file")]))


def test_a_step_s_name_is_no_path(tmp_path: Path) -> None:
    exchanges = [Told("../../x/y", "GET /"), Told("", "GET /"), Told("last", "GET /")]
    folder = write(failed(), tmp_path, Evidence(exchanges=exchanges)) / "diagnostics"
    assert names(folder / "before") == ["1--x-y.txt", "2-step.txt"]


@pytest.mark.parametrize("secret", [PASSWORD, SESSION, ISSUED, "p\u00e4ss'w\u00f6rd\"9", "a-b_c+d/e", "hunter22"])
def test_in_a_large_text_every_spelling_is_found(secret: str) -> None:
    filler = "2026-11-20 some line of a log\n" * 5000
    spelled = [
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        html.escape(secret),
        json.dumps(secret)[1:-1],
        *(base64.b64encode(f"{user}:{secret}".encode()).decode() for user in ("a", "ab", "abc")),
        *(base64.urlsafe_b64encode(f"{user}:{secret}".encode()).decode() for user in ("a", "ab", "abc")),
    ]
    for text in spelled:
        short, long = (hide(filler[: 28 * n] + f" <{text}> " + filler[: 28 * n], [secret]) for n in (1, 5000))
        assert HIDDEN in short, text
        assert HIDDEN in long, text


def test_binary_files_lose_known_secrets_and_keep_their_length() -> None:
    content = b"\0head" + PASSWORD.encode() + b"tail"
    hidden = Redaction([PASSWORD]).content(content)
    assert hidden == b"\0head" + b"*" * len(PASSWORD) + b"tail"


@pytest.mark.parametrize(
    "text",
    [
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "Authorization: Bearer abcdefgh12345678abcdefgh",
        "redis://:passw0rd@host/0",
        '{"access_token": "abc123abc123abc123"}',
    ],
)
def test_what_looks_like_a_secret_is_hidden_though_nobody_knows_it(text: str) -> None:
    assert HIDDEN in Redaction().text(f"a line\n{text}\nanother", "text")


@pytest.mark.parametrize("kind", ["form", "json", "text", "html", "xml", "script"])
def test_what_is_no_character_stops_nothing(kind: Kind) -> None:
    text = "api_key=\ud800x\udfff123456789"
    hidden = Redaction(["\ud800secret"]).text(text, kind)
    hidden.encode()
    assert "api_key=" in hidden
    ((_, shown),) = Redaction().headers([("Authorization", f"Bearer {text}")])
    assert shown == f"Bearer {HIDDEN}"


def test_a_diff_is_of_values_for_json_and_of_lines_otherwise() -> None:
    assert list(answer_diff(b'{"b": 1, "a": 2}', b'{"a": 2,\n "b": 1}')) == []
    assert list(answer_diff(b"a\nb\n", b"a\nc\n"))[-2:] == ["-b", "+c"]
    assert list(answer_diff(b"\xff", b"a")) == []
    assert list(answer_diff(b"a\n" * 5000, b"b\n")) == []
    assert list(answer_diff(b"a\n" * 2000, b"b\n" * 2000))[-1] == "… and more"


def test_a_compressed_body_is_told_as_text_and_not_kept_with_its_secret() -> None:
    def looked_at(body: dict[str, str], coding: str) -> Evidence:
        packed = gzip.compress(json.dumps(body).encode())
        headers = [("Content-Type", "application/json"), ("Content-Encoding", coding)]
        evidence = Evidence(Redaction([PASSWORD]))
        sent = Request("POST", "/", "", headers, {}, packed)
        evidence.look_at(failed(), [Exchange("run-wepp", sent, None, [], b"", 0, None)], {})
        return evidence

    evidence = looked_at({"hint": PASSWORD}, "gzip")
    assert evidence.exchanges[0].request.endswith(f'{{"hint": "{HIDDEN}"}}')
    assert evidence.body is None
    assert gzip.decompress(looked_at({"hint": "none"}, "gzip").body or b"") == b'{"hint": "none"}'
    unknown = looked_at({"hint": PASSWORD}, "br")
    assert unknown.exchanges[0].request.endswith(" bytes, compressed")
    assert unknown.body is None
