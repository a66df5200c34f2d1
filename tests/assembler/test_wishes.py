"""Values that somebody asked to have taken out of a capture: gone from the disk, `redacted` in the draft."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assembler.document import load_profile
from tests.assembler.deployment import JSON, Deployment, contents, everything, paths

NAME = "Ada Lovelace-Krüger"


def ask(site: Deployment, capture: Any, record: str, pointer: str) -> None:
    """What POST captures/{id}/redact writes."""
    payload = {"kind": "redact", "capture_id": capture["capture_id"], "record": record, "pointer": pointer}
    site.recorder.emit("system_log", None, payload, capture_ids=[capture["capture_id"]])


def record(site: Deployment, path: str, stage: str, run_id: str | None = None) -> str:
    """The id of the last record of a request to `path`."""
    events = site.events(run_id)
    operation = next(e for e in reversed(events) if e["payload"].get("path") == path)["operation_id"]
    return str(next(e for e in events if e["operation_id"] == operation and e["stage"] == stage)["id"])


def work(site: Deployment) -> Any:
    """A name sent in a form, shown in pages and JSON, in an address, a large page twice, a field beside a file, a run."""
    site.run("dry-creek", {"active.cfg": "a"})
    capture = site.start()
    site.form("/people", "name=Ada+Lovelace-Kr%C3%BCger&town=x", f"<h1>{NAME}</h1>")
    site.send("GET", "/api", json.dumps({"name": NAME, "pin": 471193852, "others": ["***", "*****"]}), kind=JSON)
    site.send("GET", "/api/raw", json.dumps({"name": NAME}, ensure_ascii=False), kind=JSON)
    site.send("GET", "/search?q=Ada%20Lovelace-Kr%C3%BCger")
    for _ in range(2):
        site.send("GET", "/large", f"<p>{'.' * 80_000}{NAME}</p>")
    site.upload("/photo", ("me.png", b"\x89PNG"), fields={"who": NAME})
    site.send("GET", "/runs/dry-creek/active/", f"<b>{NAME}</b>")
    return capture


def test_a_value_is_taken_out_wherever_the_capture_holds_it(site: Deployment) -> None:
    capture = work(site)
    ask(site, capture, record(site, "/people", "finished"), "/name")
    site.end(capture)
    assert "Lovelace" in everything(site.root)
    status = site.assemble()
    assert status.warnings == ()
    assert "Lovelace" not in everything(site.folder)
    people, api, raw, search, large, again, photo, run = load_profile(status.directory / "profile.yaml").steps
    assert people.form == [("name", "redacted"), ("town", "x")]
    assert search.query == "q=redacted"
    assert photo.multipart is not None
    assert photo.multipart[0].value == "redacted"
    for step, text in (
        (people, "<h1>redacted</h1>"), (large, f"<p>{'.' * 80_000}redacted</p>"), (again, f"<p>{'.' * 80_000}redacted</p>"),
        (run, "<b>redacted</b>"), (raw, '{"name": "redacted"}'),
    ):  # fmt: skip
        assert step.expect is not None
        assert (status.directory / str(step.expect.body)).read_text() == text
    assert api.expect is not None
    answer = json.loads((status.directory / str(api.expect.body)).read_text())
    assert answer == {"name": "redacted", "pin": 471193852, "others": ["***", "*****"]}


def test_all_else_in_the_logs_stays_where_it_was(site: Deployment) -> None:
    capture = work(site)
    ask(site, capture, record(site, "/people", "finished"), "/name")
    site.end(capture)
    logs = [site.log(), site.log("dry-creek")]
    before = [log.read_bytes().splitlines() for log in logs]
    site.assemble()
    tombstones = []
    for log, old in zip(logs, before, strict=True):
        new = log.read_bytes().splitlines()
        assert [len(line) for line in new[: len(old)]] == [len(line) for line in old]
        for was, now in zip(old, new, strict=False):
            if b"Lovelace" not in was:
                assert now == was
        assert all(json.loads(line) for line in new if line)
        tombstones += [e["payload"] for line in new[len(old) :] if line and (e := json.loads(line)) and not e["stage"]]
    buried = [mark for mark in tombstones if mark["kind"] == "tombstone"]
    assert len(buried) == 9
    assert {mark["pseudonym"] for mark in buried} == {"redacted"}


def test_a_draft_made_again_is_the_same(site: Deployment) -> None:
    capture = work(site)
    ask(site, capture, record(site, "/people", "finished"), "/name")
    ask(site, capture, record(site, "/api", "finished"), "/pin")
    site.end(capture)
    first = site.assemble()
    before = contents(first.directory)
    log = site.log().read_bytes()
    assert contents(site.assemble(rebuild=True).directory) == before
    assert contents(site.assemble().directory) == before
    assert site.log().read_bytes() == log


@pytest.mark.parametrize(
    ("path", "stage", "pointer"),
    [
        ("/api", "finished", "/name"),
        ("/api", "started", "/name"),
        ("/api", "finished", "/payload/body/name"),
        ("/photo", "finished", "/who"),
        ("/people", "finished", "/payload/request_body/name"),
    ],
)
def test_ways_to_point_at_it(site: Deployment, path: str, stage: str, pointer: str) -> None:
    capture = work(site)
    ask(site, capture, record(site, path, stage), pointer)
    site.end(capture)
    assert site.assemble().warnings == ()
    assert "Lovelace" not in everything(site.folder)


def test_a_word_of_a_page_a_header_and_an_address(site: Deployment) -> None:
    capture = site.start()
    site.send(
        "GET", "/of/ada.lovelace/x", "<p>by ada.lovelace@example.org today</p>", headers=[("x-sent-by", "countess-of")]
    )
    page = record(site, "/of/ada.lovelace/x", "finished")
    ask(site, capture, page, "/@6")
    ask(site, capture, record(site, "/of/ada.lovelace/x", "started"), "/payload/headers/1/1")
    ask(site, capture, record(site, "/of/ada.lovelace/x", "started"), "/payload/path")
    site.end(capture)
    assert site.assemble().warnings == ()
    assert "countess" not in everything(site.folder)
    assert "ada.lovelace@" not in everything(site.folder)


def test_a_number_becomes_a_word_that_json_can_hold(site: Deployment) -> None:
    capture = site.start()
    site.send("GET", "/api", '{"pin": 471193852, "pins": [1, 471193852 ], "text": "471193852"}', kind=JSON)
    ask(site, capture, record(site, "/api", "finished"), "/pin")
    site.end(capture)
    status = site.assemble()
    answer = json.loads((status.directory / "baseline" / "answers" / "get-api.json").read_text())
    assert answer == {"pin": "redacted", "pins": [1, "redacted"], "text": "redacted"}
    assert "471193852" not in everything(site.root)


def test_a_short_value_does_not_eat_other_words(site: Deployment) -> None:
    capture = site.start()
    site.send("POST", "/api/Ada", '{"name": "Ada", "town": "Adana"}', kind=JSON)
    ask(site, capture, record(site, "/api/Ada", "finished"), "/name")
    site.end(capture)
    status = site.assemble()
    assert paths(load_profile(status.directory / "profile.yaml")) == ["/api/redacted"]
    assert '"Adana"' in (status.directory / "baseline/answers/post-api-redacted.json").read_text()


@pytest.mark.parametrize("pointer", ["/nothing", "/others", "/payload/nothing/3", "/", "/@99999"])
def test_what_is_not_there_is_told(site: Deployment, pointer: str) -> None:
    capture = work(site)
    ask(site, capture, record(site, "/api", "finished"), pointer)
    ask(site, capture, "01UNKNOWN", "/name")
    site.end(capture)
    status = site.assemble()
    assert len([w for w in status.warnings if "was to be taken out, but no text stands there" in w]) == 2
    assert "Lovelace" in everything(site.root)


def test_a_wish_that_comes_after_the_draft_is_granted_by_the_next(site: Deployment) -> None:
    capture = work(site)
    site.end(capture)
    before = contents(site.assemble().directory)
    ask(site, capture, record(site, "/people", "finished"), "/name")
    assert "Lovelace" in everything(site.draft)
    site.assemble(rebuild=True)
    assert "Lovelace" not in everything(site.folder)
    assert contents(site.draft).keys() == before.keys()


@pytest.mark.parametrize("filling", ["", "." * 80_000], ids=["in the line", "stored apart"])
def test_a_value_that_stands_several_times_in_one_text(site: Deployment, filling: str) -> None:
    capture = site.start()
    site.send("GET", "/", f'<p title="{NAME}">{NAME}, {NAME}: ***{NAME}{NAME}</p>{filling}')
    site.form("/people", "name=Ada+Lovelace-Kr%C3%BCger")
    ask(site, capture, record(site, "/people", "finished"), "/name")
    site.end(capture)
    status = site.assemble()
    page = (status.directory / "baseline/answers/get.html").read_text()
    assert page == f'<p title="redacted">redacted, redacted: ***redactedredacted</p>{filling}'
    before = contents(status.directory)
    assert contents(site.assemble(rebuild=True).directory) == before


@pytest.mark.parametrize("filling", ["", "." * 80_000], ids=["in the line", "stored apart"])
def test_secrets_and_wishes_in_one_record(site: Deployment, filling: str) -> None:
    tokens = ["tok8f3d9c27be4415fA", "tok1f00dc27be4415fB"]
    capture = site.start()
    answer = json.dumps({"name": NAME, "boot": tokens[0], "next": tokens[1], "filling": filling})
    site.send("GET", "/", answer, kind=JSON)
    site.send("GET", "/", answer, kind=JSON)
    for token in tokens:
        site.send("POST", "/save", headers=[("x-csrftoken", token)])
    ask(site, capture, record(site, "/", "finished"), "/name")
    site.end(capture)
    status = site.assemble()
    assert status.problems == ()
    before = contents(status.directory)
    for value in (*tokens, "Lovelace"):
        assert value not in everything(site.folder)
    assert json.loads(before["baseline/answers/get.json"])["name"] == "redacted"
    assert b"***" not in before["baseline/answers/get-2.json"]
    assert contents(site.assemble(rebuild=True).directory) == before


def test_a_wish_for_what_went_with_another_is_granted_already(site: Deployment) -> None:
    capture = work(site)
    ask(site, capture, record(site, "/people", "finished"), "/payload/body")
    ask(site, capture, record(site, "/people", "finished"), "/@1")
    site.end(capture)
    status = site.assemble()
    before = contents(status.directory)
    assert contents(site.assemble(rebuild=True).directory) == before
