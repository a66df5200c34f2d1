"""An application under test that would like to drive the terminal: none of its answers does, whichever command shows them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.assembler.deployment import SLUG, Deployment
from tests.wctl.conftest import Wctl
from tests.wctl.test_terminal import RUDE, assert_harmless


class Rude(BaseHTTPRequestHandler):
    """Answers each request with escapes wherever an answer can have them; the recorder's status, too."""

    protocol_version = "HTTP/1.1"
    status = 200

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        loud = RUDE.replace("\r\n", " ")
        kind, body = "text/html; charset=utf-8", f"<title>{loud}</title><h1>{RUDE}</h1><a href='/{loud}'>x</a>".encode()
        if self.path.startswith("/recorder"):
            told = {"state": loud, "environment": loud, "error": RUDE, "capture": {"slug": loud, "capture_id": RUDE}}
            kind, body = "application/json", json.dumps(told).encode()
        self.send_response(self.status, loud.encode().decode("latin-1"))
        self.send_header("X-Recorder", "1")
        self.send_header("Content-Type", kind)
        self.send_header("Set-Cookie", "a\x1b[31m=b\x1b[31m")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


class Quiet(ThreadingHTTPServer):
    """Keeps to itself that somebody hung up: what it says would stand among what a command says."""

    def handle_error(self, *_: object) -> None:
        pass


@pytest.fixture
def rude() -> Iterator[str]:
    server = Quiet(("127.0.0.1", 0), Rude)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.mark.parametrize("status", [200, 302, 500])
def test_no_command_shows_what_it_was_answered(wctl: Wctl, tmp_path: Path, rude: str, status: int) -> None:
    Rude.status = status
    site = Deployment(tmp_path)
    capture = site.start()
    site.send("GET", "/", "<h1>well</h1>")
    site.form("/form", "name=ada", "<p>thanks</p>")
    site.end(capture)
    root, target = ("--data-root", str(site.data_root)), ("--base-url", rude)
    for command in (
        ("assemble", "--from", str(site.root), "--slug", SLUG, *root),
        ("promote", SLUG, *root),
        ("run-test-profile", SLUG, *target, "--keep-going", "--verbose", *root),
        ("run-test-profile", SLUG, *target, "--json", *root),
        ("run-suite", *target, *root),
        ("calibrate", SLUG, *target, *root),
        ("update-profile", SLUG, *target, *root),
        ("capture", "start", "x", *target),
        ("capture", "end", *target),
        ("doctor", *target, *root),
    ):
        for environ in ({}, {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}):
            ran = wctl(*command, **environ)
            assert_harmless(ran)
            assert not [
                line for line in ran.out.splitlines() if line.lstrip().startswith("::") and "forged" in line[:20]
            ]
