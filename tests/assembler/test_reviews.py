"""What a reviewer decides about a draft: steps that are dropped, a draft that is made anew, one that is discarded."""

from __future__ import annotations

import json
from typing import Any

from assembler.document import load_profile
from recorder.captures import Subject
from tests.assembler.deployment import JSON, SLUG, Deployment, contents, everything, paths
from tests.assembler.followers import following
from tests.support import wait_until

TOKEN = "tok8f3d9c27be4415fA"


def wish(site: Deployment, capture: Any, **payload: Any) -> None:
    """What the calls of a review write into the log."""
    payload |= {"capture_id": capture["capture_id"]}
    site.recorder.emit("system_log", None, payload, capture_ids=[capture["capture_id"]])


def preview(site: Deployment) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((site.draft / "preview.json").read_text())
    return found


def records(site: Deployment, path: str) -> list[str]:
    """The records that the preview names for the step of a path."""
    found: list[str] = next(step["records"] for step in preview(site)["steps"] if step["asked"] == path)
    return found


def commit(site: Deployment, capture: Any, notes: str | None = None) -> None:
    site.captures.commit(Subject(capture["run_id"]), capture["capture_id"], notes)


def work(site: Deployment) -> Any:
    capture = site.start()
    site.send("GET", "/")
    site.upload("/photo", ("me.png", b"\x89PNG of somebody"), fields={"who": "Ada Lovelace"})
    site.send("GET", "/last")
    site.end(capture)
    return capture


def test_a_dropped_step_is_gone_with_its_files_and_records(site: Deployment) -> None:
    capture = work(site)
    first = site.assemble()
    assert paths(load_profile(first.directory / "profile.yaml")) == ["/", "/photo", "/last"]
    assert "somebody" in everything(site.draft)
    wish(site, capture, kind="drop", records=records(site, "/photo"))
    status = site.assemble(rebuild=True)
    assert (status.warnings, status.problems) == ((), ())
    assert paths(load_profile(status.directory / "profile.yaml")) == ["/", "/last"]
    assert "somebody" not in everything(site.draft)
    assert "Lovelace" not in everything(site.draft)
    assert "somebody" in everything(site.root)  # the audit log is not the draft's to change
    before = contents(status.directory)
    assert contents(site.assemble(rebuild=True).directory) == before


def test_a_step_that_others_need_stays_and_that_is_told(site: Deployment) -> None:
    capture = site.start()
    site.send("GET", "/form", f'<input name="csrf_token" value="{TOKEN}">')
    site.send("GET", "/other")
    site.form("/save", f"csrf_token={TOKEN}&name=x")
    site.end(capture)
    site.assemble()
    wish(site, capture, kind="drop", records=[*records(site, "/form"), *records(site, "/other"), "01UNKNOWN"])
    status = site.assemble(rebuild=True)
    profile = load_profile(status.directory / "profile.yaml")
    assert paths(profile) == ["/form", "/save"]
    assert status.warnings == (
        "step get-form was to be dropped, but later steps need what was answered to it; it stays.",
    )
    assert profile.steps[1].form == [("csrf_token", "{{ steps.get-form.csrf_token }}"), ("name", "x")]


def test_both_go_when_nobody_is_left_who_needs_the_other(site: Deployment) -> None:
    capture = site.start()
    site.send("GET", "/form", f'<input name="csrf_token" value="{TOKEN}">')
    site.form("/save", f"csrf_token={TOKEN}&name=x")
    site.send("GET", "/last")
    site.end(capture)
    site.assemble()
    wish(site, capture, kind="drop", records=[*records(site, "/form"), *records(site, "/save")])
    assert paths(load_profile(site.assemble(rebuild=True).directory / "profile.yaml")) == ["/last"]


def test_polls_go_together(site: Deployment) -> None:
    capture = site.start()
    site.send("GET", "/state", '{"status": "running"}', kind=JSON)
    site.send("GET", "/state", '{"status": "running"}', kind=JSON)
    site.send("GET", "/state", '{"status": "finished"}', kind=JSON)
    site.send("GET", "/last")
    site.end(capture)
    site.assemble()
    assert len(records(site, "/state")) == 3
    wish(site, capture, kind="drop", records=records(site, "/state"))
    assert paths(load_profile(site.assemble(rebuild=True).directory / "profile.yaml")) == ["/last"]


def test_what_came_between_the_end_and_the_review_changes_nothing(site: Deployment) -> None:
    capture = work(site)
    site.assemble()
    wish(site, capture, kind="drop", records=records(site, "/photo"))
    before = contents(site.assemble(rebuild=True).directory)
    site.send("GET", "/photo", "Ada Lovelace")
    wish(site, capture, kind="drop", records=records(site, "/")[:0] or ["01UNKNOWN"])
    after = contents(site.assemble(rebuild=True).directory)
    assert after["profile.yaml"] == before["profile.yaml"]


def test_the_preview_names_what_was_sent_and_where(site: Deployment) -> None:
    capture = site.start()
    site.send("GET", "/search?q=Ada&tag=a&tag=b&token=abcdefgh12345")
    site.form("/login", "user=ada&password=correct+horse")
    site.upload("/photo", ("me.png", b"PNG"), fields={"who": "Ada"})
    site.send("POST", "/api", '{"a": {"b/c": [1, "x"]}}', kind=JSON, headers=[("content-type", JSON), ("content-length", "24")],
              body='{"a": {"b/c": [1, "x"]}}')  # fmt: skip
    site.send("POST", "/text", headers=[("content-type", "text/plain")], body="t" * 300)
    site.end(capture)
    site.assemble()
    sent = [
        [(each["name"], each["pointer"], each.get("value", "secret")) for each in step["sent"]]
        for step in preview(site)["steps"]
    ]
    assert sent == [
        [("q", "/payload/query/q", "Ada"), ("tag", "/payload/query/tag/0", "a"), ("tag", "/payload/query/tag/1", "b"),
         ("token", "/payload/query/token", "secret")],
        [("user", "/user", "ada"), ("password", "/password", "secret")],
        [("who", "/who", "Ada"), ("file", "/payload/request_body/parts/1/filename", "me.png")],
        [("a.b/c.0", "/a/b~1c/0", "1"), ("a.b/c.1", "/a/b~1c/1", "x")],
        [("text", "/payload/request_body", "t" * 200)],
    ]  # fmt: skip


def test_every_place_that_the_preview_names_can_be_redacted(site: Deployment) -> None:
    capture = site.start()
    site.send("GET", "/search?q=Ada%20Lovelace&tag=Grace%20Hopper&tag=b")
    site.upload("/photo", ("Katherine.png", b"PNG"), fields={"who": "Hedy Lamarr"})
    site.send("POST", "/text", headers=[("content-type", "text/plain")], body="Annie Easley")
    site.end(capture)
    site.assemble()
    for step in preview(site)["steps"]:
        for each in step["sent"]:
            wish(site, capture, kind="redact", record=step["records"][-1], pointer=each["pointer"])
    status = site.assemble(rebuild=True)
    assert status.warnings == ()
    for name in ("Lovelace", "Hopper", "Katherine", "Lamarr", "Easley"):
        assert name not in everything(site.folder)


# Somebody who follows the logs


def status(site: Deployment) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((site.draft / "status.json").read_text())
    except FileNotFoundError:
        return {}
    return found


def test_a_committed_review_makes_the_draft_anew(site: Deployment) -> None:
    with following(site.root, site.data_root):
        capture = work(site)
        wait_until(lambda: status(site).get("state") == "ready", "the draft is made")
        wish(site, capture, kind="drop", records=records(site, "/photo"))
        commit(site, capture, "looked at")
        wait_until(lambda: status(site).get("revision") == 1, "it is made anew")
        profile = load_profile(site.draft / "profile.yaml")
        assert (paths(profile), profile.notes) == (["/", "/last"], "looked at")
        commit(site, capture)
        wait_until(lambda: status(site).get("revision") == 2, "and again")


def test_a_review_committed_while_nobody_followed_is_found(site: Deployment) -> None:
    with following(site.root, site.data_root):
        capture = work(site)
        wait_until(lambda: status(site).get("state") == "ready", "the draft is made")
    wish(site, capture, kind="drop", records=records(site, "/photo"))
    commit(site, capture)
    with following(site.root, site.data_root):
        wait_until(lambda: status(site).get("revision") == 1, "it is made anew")
    assert paths(load_profile(site.draft / "profile.yaml")) == ["/", "/last"]


def test_a_draft_of_a_discarded_capture_goes_and_the_one_before_it_comes_back(site: Deployment) -> None:
    with following(site.root, site.data_root):
        first = work(site)
        wait_until(lambda: status(site).get("capture_id") == first["capture_id"], "the first draft is made")
        wait_until(lambda: status(site).get("state") == "ready", "and ready")
        second = work(site)
        wait_until(lambda: status(site).get("capture_id") == second["capture_id"], "the second draft is begun")
        wait_until(lambda: status(site).get("state") == "ready", "and ready")
        site.captures.discard(Subject(), second["capture_id"])
        wait_until(lambda: status(site).get("capture_id") == first["capture_id"], "the first draft is back")
        site.captures.discard(Subject(), first["capture_id"])
        wait_until(lambda: not site.draft.exists(), "no draft is left")
    assert SLUG not in [path.name for path in site.draft.parent.glob("[!.]*")]
