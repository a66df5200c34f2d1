"""Secrets that a request names only after an answer showed them: known secrets leave the disk before a draft is ready."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assembler import assemble
from recorder.core import Recorder
from recorder.settings import Settings

TOKEN = "IjA4ZmQyN2E5Y2U4NyI.Zx1kQw.q9vJ3mTtWb"


def recorded(root: Path, page: str, token: str = TOKEN) -> None:
    """A page whose script holds a token under no telling name, and a request that sends it as one."""
    recorder = Recorder(Settings.from_env({"RECORDER_ROOT": str(root), "RECORDER_CAPTURE": "late"}))
    recorder.attach()
    for method, path, headers, answer in (
        ("GET", "/", [], page),
        ("POST", "/save", [("x-csrftoken", token)], "saved"),
    ):
        exchange = recorder.begin(method, "http", path, "", [("host", "example.org"), *headers], "1.1")
        exchange.response_start(200, [("content-type", "text/html")])
        exchange.response_chunk(answer.encode(), last=True)
        exchange.finish()


def everything(folder: Path) -> str:
    return "\n".join(p.read_text("utf-8", "replace") for p in sorted(folder.rglob("*")) if p.is_file())


@pytest.mark.parametrize(
    "page",
    [
        f"<script>boot('{TOKEN}')</script>",
        f'<div onclick="send(&quot;{TOKEN}&quot;)">go</div>',
        f"<a href='/go/{TOKEN}/now'>x</a>",
        "<script>x = 1</script>" + "." * 70_000 + f"<script>boot({json.dumps(TOKEN)})</script>",
    ],
    ids=["literal", "attribute", "address", "stored apart"],
)
def test_a_token_in_a_script_is_gone_from_the_disk_before_the_draft_is_ready(tmp_path: Path, page: str) -> None:
    recorded(tmp_path / "recorder", page)
    assert TOKEN in everything(tmp_path / "recorder")
    status = assemble(tmp_path / "recorder", "late", tmp_path / "data")
    assert status.late_secrets == 1
    assert status.problems == ()
    assert TOKEN not in everything(tmp_path)
    assert "{{ steps.get." in (status.directory / "profile.yaml").read_text()
    assert '"kind":"tombstone"' in everything(tmp_path / "recorder")


def test_a_rebuilt_draft_is_the_same(tmp_path: Path) -> None:
    recorded(tmp_path / "recorder", f"<script>boot('{TOKEN}')</script>")
    first = assemble(tmp_path / "recorder", "late", tmp_path / "data")
    before = {p.name: p.read_bytes() for p in first.directory.rglob("*") if p.is_file() and p.name != "status.json"}
    again = assemble(tmp_path / "recorder", "late", tmp_path / "data", rebuild=True)
    after = {p.name: p.read_bytes() for p in again.directory.rglob("*") if p.is_file() and p.name != "status.json"}
    assert again.late_secrets == 0
    assert after == before


def test_a_value_nobody_sent_as_a_secret_stays(tmp_path: Path) -> None:
    recorded(tmp_path / "recorder", f"<script>boot('{TOKEN}')</script>", token="another-token-of-the-client")
    status = assemble(tmp_path / "recorder", "late", tmp_path / "data")
    assert status.late_secrets == 0
    assert TOKEN in everything(tmp_path / "recorder")
