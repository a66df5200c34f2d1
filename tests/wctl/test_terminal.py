"""What somebody's request brought never reaches the terminal as it was: no command's output can drive one."""

from __future__ import annotations

from pathlib import Path

import pytest

from playback.logbook import log_path
from tests.assembler.deployment import JSON, SLUG, Deployment
from tests.wctl.conftest import Ran, Wctl

RUDE = "\x1b]0;title\x07\x1b[2J\x1b[31m\r\nforged line\u2028\x1e\x9b31m\u202e"


def assert_harmless(ran: Ran) -> None:
    for text in (ran.out, ran.err):
        assert all(character == "\n" or character.isprintable() for character in text), text
    assert not any(line.startswith("forged line") for line in (ran.out + ran.err).splitlines())


@pytest.fixture
def recorded(tmp_path: Path) -> Deployment:
    """A capture whose request has escapes wherever a client can put them, and whose answers have them, too."""
    site = Deployment(tmp_path)
    capture = site.start()
    latin = RUDE.encode().decode("latin-1")
    headers = [("user-agent", latin), ("x-any", latin), ("referer", f"http://127.0.0.1:8000/{latin}")]
    site.send("GET", f"/a{latin}?q={latin}", f"<h1>{RUDE}</h1>", headers=headers)
    site.form("/form", f"name={latin}&password={latin}", f"<p>{RUDE}</p>", headers=headers)
    site.send("GET", "/api", '{"a": "\\u001b[31m", "name": "\\u009b31m"}', kind=JSON, cookies=[f"a={latin}"])
    site.end(capture)
    return site


def test_commands_that_show_what_was_recorded(wctl: Wctl, recorded: Deployment) -> None:
    root = ("--data-root", str(recorded.data_root))
    shown = ""
    for command in (
        ("audit", "verify", str(recorded.root)),
        ("audit", "verify", str(recorded.root), "--json"),
        ("assemble", "--from", str(recorded.root), "--slug", SLUG, *root),
        ("drafts", "list", *root),
        ("drafts", "show", SLUG, *root),
        ("promote", SLUG, *root),
        ("validate", SLUG, *root),
        ("secrets", SLUG, *root),
        ("run-test-profile", SLUG, "--base-url", "http://127.0.0.1:9", *root),
        ("run-test-profile", SLUG, "--base-url", "http://127.0.0.1:9", "--json", *root),
        ("run-test-profile", SLUG, "--base-url", "http://127.0.0.1:9", "--verbose", "--dry-run", *root),
        ("housekeeping", *root),
    ):
        ran = wctl(*command)
        assert_harmless(ran)
        shown += ran.out + ran.err
    assert f"_drafts/{SLUG}" in shown
    assert "x1b[31m" in shown  # it was there to be shown


def test_the_log_of_a_service(wctl: Wctl, tmp_path: Path) -> None:
    path = log_path(tmp_path, "assembler")
    path.parent.mkdir(parents=True)
    path.write_bytes(f"one {RUDE.replace(chr(10), '')} line\nanother\n".encode())
    ran = wctl("logs", "assembler")
    assert_harmless(ran)
    assert ran.out.splitlines()[-1] == "another"
