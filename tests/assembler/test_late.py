"""Secrets that a request names only after an answer showed them: known secrets leave the disk before a draft is ready."""

from __future__ import annotations

import html
import json
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from assembler import assemble
from recorder.core import Recorder
from recorder.settings import Settings
from tests.assembler.deployment import Deployment

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


ODD = "q9+vJ3/mTt&W=b8sdKx2=="
SPELLED = {
    "an address": lambda value: f'<a href="/go?t={quote(value, safe="")}&amp;n=1">x</a>',
    "an attribute": lambda value: f'<div data-boot="{html.escape(value)}">x</div>',
    "JSON in an attribute": lambda value: f'<div data-props="{html.escape(json.dumps({"t": value}))}">x</div>',
    "JSON in JSON": lambda value: f"<script>x = {json.dumps(json.dumps({'t': value}))}</script>",
    "JSON in an address": lambda value: f'<a href="/go?state={quote(json.dumps({"t": value}))}">x</a>',
    "base64": lambda value: f'<div data-b="{b64encode(value.encode()).decode()}">x</div>',
    "base64 for addresses": lambda value: f"<a href='/b/{urlsafe_b64encode(b'a' + value.encode()).decode()}/x'>x</a>",
    "JSON in base64": lambda value: (
        f'<div data-b="{b64encode(json.dumps({"n": 1, "t": value}).encode()).decode()}"></div>'
    ),
}


@pytest.mark.parametrize("token", [TOKEN, ODD], ids=["plain", "odd"])
@pytest.mark.parametrize("spelling", SPELLED)
def test_what_became_known_is_gone_in_every_spelling(tmp_path: Path, spelling: str, token: str) -> None:
    shown = SPELLED[spelling](token)
    recorded(
        tmp_path / "recorder", f"<script>boot({json.dumps(token)})</script><p>{html.escape(token)}</p>{shown}", token
    )
    assert [form for form in forms(token) if form in everything(tmp_path / "recorder")]
    assemble(tmp_path / "recorder", "late", tmp_path / "data")
    left = everything(tmp_path)
    assert [form for form in forms(token) if form in left] == []


def forms(value: str) -> set[str]:
    """The value as texts write it, and what base64 of them has in it, wherever in the blob it begins."""
    written = {
        value,
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        html.escape(value),
        json.dumps(value)[1:-1],
    }
    written |= {
        quote(json.dumps(value)[1:-1]),
        html.escape(json.dumps(value)[1:-1]),
        json.dumps(json.dumps(value))[3:-3],
    }
    blobs = {
        b64encode(b"." * n + each.encode()).decode().rstrip("=")[(0, 2, 3)[n] : -1]
        for n in range(3)
        for each in written
    }
    blobs |= {blob.translate(str.maketrans("+/", "-_")) for blob in blobs}
    return written | blobs | {json.dumps(each)[1:-1] for each in written}


def test_a_rebuilt_draft_is_the_same(tmp_path: Path) -> None:
    recorded(tmp_path / "recorder", f"<script>boot('{TOKEN}')</script>")
    first = assemble(tmp_path / "recorder", "late", tmp_path / "data")
    before = {p.name: p.read_bytes() for p in first.directory.rglob("*") if p.is_file() and p.name != "status.json"}
    again = assemble(tmp_path / "recorder", "late", tmp_path / "data", rebuild=True)
    after = {p.name: p.read_bytes() for p in again.directory.rglob("*") if p.is_file() and p.name != "status.json"}
    assert again.late_secrets == 0
    assert after == before


@pytest.mark.parametrize("sent", [True, False], ids=["sent", "never sent"])
def test_what_a_later_answer_names_is_gone_from_an_earlier_one(tmp_path: Path, sent: bool) -> None:
    site = Deployment(tmp_path)
    capture = site.start()
    site.send("GET", "/", f"<script>boot('{TOKEN}')</script>")
    site.send("GET", "/form", f'<input type="hidden" name="csrf_token" value="{TOKEN}">')
    if sent:
        site.form("/save", f"csrf_token={TOKEN}")
    site.end(capture)
    assert site.assemble().late_secrets == 1
    assert TOKEN not in everything(tmp_path)


def test_a_value_nobody_sent_as_a_secret_stays(tmp_path: Path) -> None:
    recorded(tmp_path / "recorder", f"<script>boot('{TOKEN}')</script>", token="another-token-of-the-client")
    status = assemble(tmp_path / "recorder", "late", tmp_path / "data")
    assert status.late_secrets == 0
    assert TOKEN in everything(tmp_path / "recorder")
