"""A token that pages show in disguise, rotated with each, and that is only sent under a secret's name: gone from the disk."""

from __future__ import annotations

import html
import json
import re
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest

from assembler import DraftStatus, assemble
from assembler.promote import promote
from playback.engine import Options, replay
from playback.summary import render
from tests.assembler.test_late import everything, forms
from tests.support import Server

SLUG = "work"
READERS: dict[str, Callable[[str], str]] = {
    "script": lambda text: json.loads(text),
    "slashes": lambda text: json.loads(text),
    "link": lambda text: unquote(text),
    "props": lambda text: json.loads(html.unescape(text))["t"],
    "field": lambda text: json.loads(html.unescape(text))["t"],
    "attribute": lambda text: html.unescape(text),
    "address": lambda text: json.loads(unquote(text))["t"],
    "blob": lambda text: b64decode(text).decode(),
    "state": lambda text: json.loads(b64decode(text))["t"],
}
OPAQUE = ("blob", "state")
"""Base64, out of which no replay takes a value: there a person has to say where the token comes from."""
SHOWN = re.compile(r'boot\((".*?")\)|\?t=([^&]*)&|data-\w+="(.*?)"|value="(.*?)"|\?state=([^"]*)"')


def server(**env: str) -> Server:
    return Server.gunicorn(
        "tests.apps.wrapped:app", env={"WRAPPED_APP": "tests.apps.tokens_wsgi:app", **env}, path="/health"
    )


def used(url: str, spelling: str) -> list[str]:
    """Open the page and send what it shows, twice; the two tokens."""
    tokens = []
    with httpx.Client(base_url=url) as browser:
        for _ in range(2):
            page = browser.get(f"/runs/dry-creek/{spelling}").text
            shown = next(group for group in SHOWN.search(page).groups() if group)  # type: ignore[union-attr]
            tokens.append(READERS[spelling](shown))
            sent = {"state": json.dumps({"t": tokens[-1]})} if spelling == "field" else {"note": "hello"}
            head = {"X-CSRF-Token": tokens[-1]}
            assert browser.post(f"/runs/dry-creek/{spelling}", data=sent, headers=head).text == "saved"
    return tokens


def recorded(folder: Path, spelling: str) -> tuple[list[str], DraftStatus]:
    (folder / "runs" / "dry-creek").mkdir(parents=True)
    (folder / "runs" / "dry-creek" / "active.cfg").write_text("a")
    settings = {
        "RECORDER_ROOT": str(folder / "recorder"),
        "RECORDER_CAPTURE": SLUG,
        "RECORDER_RUN_PATTERN": "/runs/(?P<run_id>[^/]+)/",
        "RECORDER_RUN_ROOT": f"{folder}/runs/{{run_id}}",
    }
    with server(**settings) as running:
        tokens = used(running.url, spelling)
    return tokens, assemble(folder / "recorder", SLUG, folder / "data")


@pytest.mark.parametrize("spelling", READERS)
def test_it_is_gone_and_the_draft_replays(tmp_path: Path, spelling: str) -> None:
    tokens, status = recorded(tmp_path, spelling)
    assert len(set(tokens)) == 2, "each page shows another"
    left = everything(tmp_path)
    assert [form for token in tokens for form in forms(token) if form in left] == []
    if spelling in OPAQUE:
        return
    assert status.problems == ()
    promote(SLUG, tmp_path / "data")
    with server(RECORDER_ROOT=str(tmp_path / "fresh"), RECORDER_ENVIRONMENT="test") as running:
        report = replay(SLUG, tmp_path / "data", Options(base_url=running.url), {})
    assert report.result == "passed", render(report)
