"""An authorization code and a signed address: neither is on the disk, and a replay makes its way with its own."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from assembler import assemble
from assembler.promote import promote
from playback.engine import Options, replay
from playback.summary import render
from tests.assembler.test_late import everything, forms
from tests.support import Server

SLUG = "signed"


def server(root: Path, **env: str) -> Server:
    env |= {"RECORDER_ROOT": str(root), "WRAPPED_APP": "tests.apps.signed_wsgi:app"}
    return Server.gunicorn("tests.apps.wrapped:app", env=env)


def used(url: str) -> list[str]:
    """Sign in and fetch the file; the code and the signature that stood in addresses."""
    with httpx.Client(base_url=url) as browser:
        answer, codes = browser.get("/login"), []
        while answer.is_redirect:
            codes += re.findall(r"code=([^&]+)", answer.headers["location"])
            answer = browser.get(answer.headers["location"])
        link = re.search(r'href="([^"]+)"', answer.text)
        assert link is not None
        assert browser.get(link[1].replace("&amp;", "&")).text == "the file a"
        return [*codes, link[1].rpartition("=")[2]]


def test_neither_is_on_the_disk_and_the_draft_replays(tmp_path: Path) -> None:
    with server(tmp_path / "recorder", RECORDER_CAPTURE=SLUG) as running:
        code, signature = used(running.url)
    left = everything(tmp_path)
    assert [form for secret in (code, signature) for form in forms(secret) if form in left] == []
    assemble(tmp_path / "recorder", SLUG, tmp_path / "data")
    promote(SLUG, tmp_path / "data")
    with server(tmp_path / "fresh", RECORDER_ENVIRONMENT="test") as running:
        report = replay(SLUG, tmp_path / "data", Options(base_url=running.url), {})
    assert report.result == "passed", render(report)
    assert [step.status for step in report.steps][-1] == 200
