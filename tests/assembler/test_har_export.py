"""What was recorded is a valid HAR 1.2, and comes back as the same steps."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from assembler import DraftStatus, assemble
from assembler.document import load_profile
from assembler.har_export import export_har
from assembler.har_import import import_har
from tests.assembler.har_making import GOLDEN, written
from tests.support import ROOT
from tests.test_roundtrip import SLUG, SUBJECTS, Subject


def recorded(subject: Subject, folder: Path) -> DraftStatus:
    environ = {"RECORDER_ROOT": str(folder / "recorder"), "RECORDER_CAPTURE": SLUG, "WRAPPED_APP": subject.app}
    with subject.fresh(folder / "state", **environ) as server:
        subject.drive(server.url)
    return assemble(folder / "recorder", SLUG, folder / "data")


@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_there_and_back_the_steps_are_the_same(tmp_path: Path, name: str) -> None:
    status = recorded(SUBJECTS[name], tmp_path)
    document = export_har(status.directory)
    valid(document)
    back = import_har(written(tmp_path, document), SLUG, tmp_path / "back")
    assert (back.problems, back.steps) == ((), status.steps)
    assert lasting(back) == lasting(status)


def test_what_led_up_to_the_capture_stays_apart(tmp_path: Path) -> None:
    document = export_har(ROOT / "profiles/watershed-small")
    valid(document)
    assert document["log"]["entries"][0]["_before_capture"] is True
    back = import_har(written(tmp_path, document), "watershed-small", tmp_path)
    profile = load_profile(back.directory / "profile.yaml")
    assert [step.path for step in profile.prologue] == ["/weppcloud/login"]
    upload = next(step for step in profile.steps if step.multipart)
    assert upload.multipart
    files = [back.directory / part.file for part in upload.multipart if part.file]
    assert [path.read_bytes()[:2] for path in files] == [b"II"]  # a TIFF, byte for byte


def test_what_was_missing_is_missing_when_it_comes_back(tmp_path: Path) -> None:
    status = import_har(GOLDEN / "chromium.har", "shop", tmp_path)
    document = export_har(status.directory)
    back = import_har(written(tmp_path, document), "shop-2", tmp_path)
    assert [p.partition(";")[0] for p in back.problems] == [p.partition(";")[0] for p in status.problems]
    posts = [each["request"].get("postData", {}).get("comment") for each in document["log"]["entries"]]
    assert "without the content of: lamp.png" in posts
    login = document["log"]["entries"][0]["response"]["cookies"]
    assert [(c["name"], c["httpOnly"], c["secure"], c["path"]) for c in login] == [
        ("session", True, True, "/"),
        ("theme", False, False, "/"),
    ]


def test_an_answer_that_was_edited_is_not_what_was_recorded(tmp_path: Path) -> None:
    status = import_har(GOLDEN / "chromium.har", "shop", tmp_path)
    picture = status.directory / "baseline/answers/get-static-logo-png.png"
    picture.write_bytes(b"another")
    contents = [each["response"]["content"] for each in export_har(status.directory)["log"]["entries"]]
    assert [c.get("comment") for c in contents if c["mimeType"] == "image/png"] == ["not kept"]


def test_no_request_seems_to_last_into_the_one_that_followed_it(tmp_path: Path) -> None:
    """A request's duration counts from before its record: alone it would make neighbours overlap."""
    status = import_har(GOLDEN / "firefox.har", "notes", tmp_path)
    log = status.directory / "events.jsonl"
    told = [orjson.loads(line) for line in log.read_bytes().splitlines()]
    for event in told:
        if event["stage"] == "finished":
            event["payload"]["duration_ms"] += 5000
    log.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in told))
    assert [each["time"] for each in export_har(status.directory)["log"]["entries"]] == [12, 25, 9, 31, 7]


def lasting(status: DraftStatus) -> list[dict[str, Any]]:
    """Steps without the times they took, files by their content."""
    steps = load_profile(status.directory / "profile.yaml").steps
    texts = [step.model_dump(exclude={"at", "took", "settle", "wait"}, exclude_none=True) for step in steps]
    for text in texts:
        for part in text.get("multipart", []):
            if "file" in part:
                part["file"] = (status.directory / part["file"]).read_bytes()
        if body := (text.get("expect") or {}).get("body"):
            text["expect"]["body"] = (status.directory / body).read_bytes()
    return texts


def valid(document: Any) -> None:
    """The keys that HAR 1.2 asks for, with their types."""
    text, number = (str,), (int, float)
    assert document["log"]["version"] == "1.2"
    _has(document["log"]["creator"], name=text, version=text)
    began = []
    for each in document["log"]["entries"]:
        _has(each, startedDateTime=text, time=number, request=(dict,), response=(dict,), cache=(dict,), timings=(dict,))
        began.append(datetime.fromisoformat(each["startedDateTime"]))
        assert each["time"] >= 0
        assert sum(each["timings"][part] for part in ("send", "wait", "receive")) == pytest.approx(each["time"])
        shared: dict[str, tuple[type, ...]] = {"httpVersion": text, "headersSize": number, "bodySize": number}
        _has(each["request"], method=text, url=text, **shared)
        _has(each["response"], status=number, statusText=text, redirectURL=text, content=(dict,), **shared)
        _has(each["response"]["content"], size=number, mimeType=text)
        lists = [each["request"][key] for key in ("cookies", "headers", "queryString")]
        for pair in [pair for found in [*lists, each["response"]["cookies"]] for pair in found]:
            _has(pair, name=text, value=text)
        if "postData" in each["request"]:
            _has(each["request"]["postData"], mimeType=text, text=text)
    assert began == sorted(began)


def _has(found: dict[str, Any], **keys: tuple[type, ...]) -> None:
    for key, kinds in keys.items():
        assert isinstance(found[key], kinds), (key, found)
