"""A sealed log in which the assembler overwrites what somebody asked to have taken out, or secrets that came late."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from recorder.seal import Seal
from recorder.verify import Verdict, verify
from tests.assembler.deployment import Deployment, everything
from tests.assembler.test_wishes import ask, record, work
from tests.recorder.rotating import compressed, rotate

KEY = "the key of the seal"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    made = Deployment(tmp_path)
    monkeypatch.setenv("RECORDER_SEAL", str(tmp_path / "seal"))
    monkeypatch.setenv("RECORDER_SEAL_KEY", KEY)
    made.settings = replace(made.settings, seal=tmp_path / "seal", seal_key=KEY)
    made.restart()
    return made


def verdicts(site: Deployment) -> list[Verdict]:
    for writer in site.recorder._writers.values():
        writer.close()
    seal = Seal(site.folder / "seal", KEY.encode())
    return [verify(site.log(), seal), verify(site.log("dry-creek"), seal)]


def redacted(site: Deployment) -> None:
    capture = work(site)
    ask(site, capture, record(site, "/people", "finished"), "/name")
    site.end(capture)
    assert [verdict.problems for verdict in verdicts(site)] == [[], []]
    assert site.assemble().warnings == ()
    assert "Lovelace" not in everything(site.folder)


def test_what_is_overwritten_lawfully_still_verifies(site: Deployment) -> None:
    redacted(site)
    for verdict in verdicts(site):
        assert (verdict.problems, verdict.remarks) == ([], [])
        assert verdict.sealed == verdict.records > 3
    site.assemble()
    assert [verdict.problems for verdict in verdicts(site)] == [[], []]


def test_what_is_overwritten_twice_and_in_a_compressed_file_still_verifies(site: Deployment) -> None:
    capture = work(site)
    form = record(site, "/people", "finished")
    for pointer in ("/name", "/town"):
        ask(site, capture, form, pointer)
        site.recorder.emit("system_log", None, {"kind": "error", "where": "x", "message": pointer})
        compressed(rotate(site.log()))
        site.assemble()
    site.end(capture)
    site.assemble()
    assert [verdict.problems for verdict in verdicts(site)] == [[], []]
    assert verdicts(site)[0].files == 3


def test_a_further_change_to_what_was_overwritten_is_found(site: Deployment) -> None:
    redacted(site)
    text = site.log().read_bytes()
    at = text.index(b"*" * 18)
    site.log().write_bytes(text[:at] + b"x" + text[at + 1 :])
    problem, *_ = verdicts(site)[0].problems
    assert problem.offset <= at <= problem.end


def test_a_redaction_without_the_key_is_a_change(site: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECORDER_SEAL_KEY", "another key")
    redacted(site)
    found = {problem.kind for verdict in verdicts(site) for problem in verdict.problems}
    assert {"altered", "wrong_body"} <= found


def test_who_overwrites_without_the_seal_is_warned(
    site: Deployment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("RECORDER_SEAL")
    redacted(site)
    assert "RECORDER_SEAL is not set" in caplog.text
