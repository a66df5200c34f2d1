"""The calls of a review, and the script: who may, what is written down, what is answered."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recorder.core import Recorder, get_recorder
from recorder.script import source
from recorder.settings import Settings
from tests.recorder.test_api import Caller
from tests.recorder.watching import events


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path / "root", environment="development", data_root=tmp_path)


@pytest.fixture
def own(settings: Settings) -> Recorder:
    return get_recorder(settings)


@pytest.fixture
def caller(own: Recorder) -> Caller:
    return Caller(own).sign_in()


def ended(caller: Caller) -> str:
    """The id of a capture that has ended."""
    capture_id = str(caller("POST", "/captures/start", {"slug": "small"})[1]["capture_id"])
    assert caller("POST", "/captures/end", {})[0] == 200
    return capture_id


def draft(settings: Settings, capture_id: str, **status: Any) -> None:
    """What an assembler writes."""
    folder = settings.data_root / "profiles" / "_drafts" / "small"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "preview.json").write_text('{"steps": []}')
    (folder / "status.json").write_text(json.dumps({"state": "ready", "capture_id": capture_id, **status}))


def noted(settings: Settings) -> list[dict[str, Any]]:
    return [event["payload"] for event in events(settings.root / "_logs", "system_log")]


def test_a_review_from_the_end_to_the_draft(caller: Caller, settings: Settings) -> None:
    capture_id = ended(caller)
    draft(settings, capture_id)
    assert caller("GET", f"/captures/{capture_id}/preview")[0] == 200
    assert caller("POST", f"/captures/{capture_id}/drop", {"records": ["01A", "01B"]})[0] == 202
    assert caller("POST", f"/captures/{capture_id}/redact", {"record": "01C", "pointer": "/name"})[0] == 202
    assert caller("GET", f"/captures/{capture_id}/preview")[0] == 200  # nothing is settled yet
    assert caller("POST", f"/captures/{capture_id}/commit", {"notes": "looked at"}) == (
        202,
        {"state": "assembling", "revision": 1},
    )
    assert caller("GET", f"/captures/{capture_id}/preview") == (202, {"state": "assembling"})
    draft(settings, capture_id, revision=1)
    assert caller("GET", f"/captures/{capture_id}/preview")[0] == 200
    (capture,) = caller("GET", "/captures")[1]["captures"]
    assert (capture["state"], capture["notes"], capture["revision"]) == ("ended", "looked at", 1)
    wishes = [{k: v for k, v in each.items() if k != "capture_id"} for each in noted(settings)[-3:-1]]
    assert wishes == [
        {"kind": "drop", "records": ["01A", "01B"]},
        {"kind": "redact", "record": "01C", "pointer": "/name"},
    ]
    assert noted(settings)[-1]["kind"] == "capture_committed"
    covered = [event["capture_ids"] for event in events(settings.root / "_logs", "system_log")[-3:]]
    assert covered == [[capture_id]] * 3


def test_a_review_belongs_to_what_is_reviewed_and_to_no_capture_that_goes_on(
    caller: Caller, settings: Settings
) -> None:
    reviewed = ended(caller)
    other = str(caller("POST", "/captures/start", {"slug": "other", "scope": "all"})[1]["capture_id"])
    before = len(noted(settings))
    assert caller("POST", f"/captures/{reviewed}/drop", {"records": ["01A"]})[0] == 202
    assert caller("POST", f"/captures/{reviewed}/redact", {"record": "01A", "pointer": "/name"})[0] == 202
    assert caller("POST", f"/captures/{reviewed}/commit", {})[0] == 202
    told = events(settings.root / "_logs", "system_log")[before:]
    assert [(event["payload"]["kind"], event["capture_ids"]) for event in told] == [
        ("drop", [reviewed]),
        ("redact", [reviewed]),
        ("capture_committed", [reviewed]),
    ]
    answer = caller("POST", "/captures/end", {"capture_id": other})[1]
    assert answer["events"] == sum(other in e["capture_ids"] for e in events(settings.root / "_logs"))
    assert [e["payload"]["kind"] for e in events(settings.root / "_logs") if other in e["capture_ids"]] == [
        "capture_started",
        "capture_ended",
    ]


def test_an_ended_capture_can_be_discarded_by_its_id(caller: Caller) -> None:
    capture_id = ended(caller)
    ended_at = caller("GET", "/captures")[1]["captures"][0]["ended"]
    assert caller("POST", "/captures/discard", {})[0] == 404
    status, capture = caller("POST", "/captures/discard", {"capture_id": capture_id})
    assert (status, capture["state"], capture["ended"]) == (200, "discarded", ended_at)
    assert caller("POST", f"/captures/{capture_id}/commit", {})[0] == 409
    assert caller("POST", "/captures/discard", {"capture_id": capture_id})[0] == 404


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("drop", {}, 422, "must be a list of the ids"),
        ("drop", {"records": []}, 422, "must be a list of the ids"),
        ("drop", {"records": "01A"}, 422, "must be a list of the ids"),
        ("drop", {"records": [1]}, 422, "must be a list of the ids"),
        ("drop", {"records": ["0"] * 2001}, 413, "may name 2000 records"),
        ("drop", {"record": "01A"}, 422, "did you mean 'records'"),
        ("commit", {"notes": 5}, 422, "notes must be text"),
        ("commit", {"note": "x"}, 422, "did you mean 'notes'"),
    ],
)
def test_refusals(caller: Caller, path: str, body: Any, status: int, words: str) -> None:
    found, answer = caller("POST", f"/captures/{ended(caller)}/{path}", body)
    assert found == status
    assert words in answer["error"]


def test_a_capture_that_goes_on_cannot_be_committed(caller: Caller) -> None:
    capture_id = caller("POST", "/captures/start", {"slug": "small"})[1]["capture_id"]
    status, answer = caller("POST", f"/captures/{capture_id}/commit", {})
    assert status == 409
    assert "is capturing; end it first" in answer["error"]
    assert caller("POST", "/captures/01UNKNOWN/commit", {})[0] == 404


def test_who_may_not(settings: Settings) -> None:
    auditor = Caller(
        get_recorder(replace(settings, environment="production", roles=lambda native: ["audit"]))
    ).sign_in()
    for call in ("preview", "drop", "redact", "commit"):
        assert auditor("GET" if call == "preview" else "POST", f"/captures/01X/{call}")[0] == 403


def test_the_status_names_the_run_of_the_page(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "runs" / "dry-creek").mkdir(parents=True)
    pattern = {"run_pattern": "/runs/(?P<run_id>[^/]+)", "run_root": f"{tmp_path}/runs/{{run_id}}"}
    caller = Caller(get_recorder(replace(settings, **pattern)))
    assert caller("GET", "/status?path=/runs/dry-creek/page")[1]["run_id"] == "dry-creek"
    assert caller("GET", "/status?path=/runs/none/page")[1]["run_id"] is None


# The script


def test_the_script_is_small_and_cached(own: Recorder) -> None:
    caller = Caller(own)
    status, plain = caller("GET", "/recorder.js")
    assert (status, plain) == (200, source())
    assert len(gzip.compress(plain, 9)) < 15_000
    assert caller.answered["Content-Type"] == "text/javascript; charset=utf-8"
    assert "no-store" not in caller.answered["Cache-Control"]
    status, packed = caller("GET", "/recorder.js", accept_encoding="gzip, br")
    assert caller.answered["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == plain
    assert caller("GET", "/recorder.js", if_none_match=caller.answered["ETag"]) == (304, b"")
    assert "Content-Length" not in caller.answered


def test_what_hostile_text_could_reach_is_never_parsed_as_html() -> None:
    text = source().decode()
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "srcdoc"):
        assert sink not in text
