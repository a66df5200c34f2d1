"""What becomes of the entries of a HAR: bodies, cookies, times, origins."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from assembler import AssemblyError, DraftStatus
from assembler.har_import import import_har
from tests.assembler.har_making import entry, headers, log, profile_of, written


def test_cookies_that_stand_only_in_the_lists(tmp_path: Path) -> None:
    given = {"response.cookies": [{"name": "sid", "value": "a1b2c3d4e5f6g7", "path": "/", "httpOnly": True}]}
    sent = {"request.cookies": [{"name": "sid", "value": "a1b2c3d4e5f6g7"}]}
    status, profile = profile_of(tmp_path, entry(0, **given), entry(1, **sent))
    assert (status.problems, status.warnings) == ((), ())
    assert profile.steps[0].expect
    assert profile.steps[0].expect.cookies == ["sid"]


def test_parameters_in_the_place_of_a_text(tmp_path: Path) -> None:
    form = {"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "a", "value": "x & y"}]}
    file = {"name": "f", "fileName": 'a"b.txt', "contentType": "text/plain", "value": "content"}
    parts = {
        "mimeType": "multipart/form-data",
        "params": [{"name": "n", "value": "v"}, file, {"name": "g", "fileName": "g"}],
    }
    status, profile = profile_of(
        tmp_path,
        entry(0, **{"request.method": "POST", "request.postData": form}),
        entry(1, **{"request.method": "POST", "request.postData": parts}),
    )
    assert profile.steps[0].form == [("a", "x & y")]
    assert profile.steps[1].multipart
    assert [(p.name, p.value, p.filename) for p in profile.steps[1].multipart][:2] == [
        ("n", "v", None),
        ("f", None, "a%22b.txt"),
    ]
    assert profile.steps[1].multipart[1].file
    assert (status.directory / profile.steps[1].multipart[1].file).read_text() == "content"
    assert [problem.partition(";")[0] for problem in status.problems] == [
        "step post-page-2: the file 'g' was not stored (unavailable)"
    ]


def test_bytes_written_as_characters(tmp_path: Path) -> None:
    sent = bytes(range(256))
    changes = {
        "request.method": "PUT",
        "request.headers": headers(Content_Type="application/octet-stream", Content_Length="256"),
        "request.postData": {"mimeType": "application/octet-stream", "text": sent.decode("latin-1")},
    }
    status, profile = profile_of(tmp_path, entry(0, **changes))
    assert profile.steps[0].body
    assert (status.directory / profile.steps[0].body).read_bytes() == sent


def test_an_answer_whose_content_is_not_there_is_not_expected_to_be_empty(tmp_path: Path) -> None:
    unknown = {"size": 900, "mimeType": "text/html"}
    status, profile = profile_of(tmp_path, entry(0, **{"response.content": unknown}), entry(1))
    assert profile.steps[0].expect
    assert (profile.steps[0].expect.body, profile.steps[0].expect.empty) == (None, False)
    assert "is not compared" in status.warnings[0]


def test_an_answer_that_was_cut_is_not_compared(tmp_path: Path) -> None:
    text = "0123456789abcdef" * (1 << 16)
    cut = {"response.content": {"size": len(text) + 1, "mimeType": "text/plain", "text": text}}
    whole = {"response.content": {"size": len(text), "mimeType": "text/plain", "text": text}}
    _, profile = profile_of(tmp_path, entry(0, **cut), entry(1, **whole))
    assert [bool(step.expect and step.expect.body) for step in profile.steps] == [False, True]


def test_requests_of_one_millisecond_are_one_after_the_other(tmp_path: Path) -> None:
    """Beginnings are cut to milliseconds: the second, sent because of the first, may seem to begin before its end."""
    made = {
        "response.headers": headers(Content_Type="application/json"),
        "response.content": {"size": 50, "mimeType": "", "text": '{"id": "4be0643f-1d98-473b-97cd-ca98a65347dd"}'},
        "time": 5.9,
    }
    after = {
        "startedDateTime": "2026-03-02T09:30:00.005Z",
        "request.url": "http://site.example/things/4be0643f-1d98-473b-97cd-ca98a65347dd",
    }
    _, profile = profile_of(tmp_path, entry(0, **made), entry(1, **after))
    assert "{{ steps." in profile.steps[1].path
    _, profile = profile_of(tmp_path, entry(0, **{**made, "time": 50}), entry(1, **after))
    assert "{{ steps." not in profile.steps[1].path


def test_a_har_whose_cookies_were_taken_out(tmp_path: Path) -> None:
    document = {"log": {**log(entry())["log"], "creator": {"name": "WebInspector", "version": "537.36"}}}
    status = import_har(written(tmp_path, document), "some", tmp_path)
    assert status.warnings[0].startswith("The HAR holds no cookie at all.")


def test_the_origin_is_chosen_or_that_of_most(tmp_path: Path) -> None:
    entries = [entry(n) for n in range(3)] + [
        entry(n, **{"request.url": f"https://API.example:443/{n}"}) for n in (4, 5)
    ]
    status, profile = profile_of(tmp_path, *entries)
    assert (len(profile.steps), profile.metadata.recorded_with.origin) == (3, "http://site.example")
    assert "2 to others were left out: https://api.example (2)" in status.warnings[0]
    status, profile = profile_of(tmp_path, *entries, origin="https://api.example/")
    assert (len(profile.steps), profile.metadata.recorded_with.origin) == (2, "https://api.example")
    for wanted, hint in (("https://apy.example", "did you mean 'https://api.example'?"), ("api", "is no origin")):
        with pytest.raises(AssemblyError, match=re.escape(hint)):
            profile_of(tmp_path, *entries, origin=wanted)


# ---------------------------------------------------------------------- what is missing, or written another way


def sent(text: str, media_type: str, **more: str) -> dict[str, Any]:
    """The changes that make an entry a POST of this text."""
    return {
        "request.method": "POST",
        "request.headers": headers(Content_Type=media_type, **more),
        "request.postData": {"mimeType": media_type, "text": text},
    }


UPLOAD = '--b\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n\r\n{}\r\n--b--\r\n'


def test_a_file_that_was_empty_is_no_file_that_is_missing(tmp_path: Path) -> None:
    text = UPLOAD.format("")
    for length, problems in ((len(text), 0), (len(text) + 9, 1)):
        changes = sent(text, "multipart/form-data; boundary=b", Content_Length=str(length))
        status, _ = profile_of(tmp_path, entry(0, **changes))
        assert len(status.problems) == problems
        uploads = [e["payload"] for e in events(status) if e["category"] == "file_upload"]
        assert [(each["filename"], each.get("omitted")) for each in uploads] == [
            ("f.txt", "unavailable" if problems else None)
        ]


@pytest.mark.parametrize(
    "media_type", ["multipart/form-data; boundary=b", "multipart/form-data", "multipart/form-data; boundary=c"]
)
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_a_multipart_text_with_other_line_ends_or_without_its_boundary(
    tmp_path: Path, media_type: str, end: str
) -> None:
    text = UPLOAD.format("content").replace("\r\n", end)
    status, profile = profile_of(tmp_path, entry(0, **sent(text, media_type)))
    assert status.problems == ()
    assert profile.steps[0].multipart
    assert profile.steps[0].multipart[0].file
    assert (status.directory / profile.steps[0].multipart[0].file).read_text() == "content"


def test_bytes_that_were_lost_on_the_way_into_the_har(tmp_path: Path) -> None:
    changes = sent("\ufffdPNG\ufffd", "image/png", Content_Length="6")
    status, profile = profile_of(tmp_path, entry(0, **changes))
    assert status.problems[0].startswith("step post-page: the request's body was not stored (unavailable)")
    assert profile.steps[0].body is None


def test_lengths_are_those_of_what_is_there(tmp_path: Path) -> None:
    """A Content-Length of something else would say that the rest was not recorded."""
    changes = sent('{"a": 1}', "application/json", Content_Length="800", Transfer_Encoding="chunked")
    status, _ = profile_of(tmp_path, entry(0, **changes))
    begun, ended = (e["payload"] for e in events(status) if e["category"] == "http_request")
    assert [value for name, value in begun["headers"] if name == "content-length"] == ["8"]
    assert "transfer-encoding" not in dict(begun["headers"])
    assert (ended["request_body"]["size"], ended["request_body"]["truncated"]) == (8, False)


def test_a_redirect_without_its_header_and_its_body(tmp_path: Path) -> None:
    changes = {
        "response.status": 302,
        "response.redirectURL": "/next",
        "response.content": {"size": 0, "mimeType": "text/html", "text": ""},
        "response.headers": [],
        "response.bodySize": 0,
    }
    _, profile = profile_of(tmp_path, entry(0, **changes))
    assert profile.steps[0].expect
    assert (profile.steps[0].expect.location, profile.steps[0].expect.empty) == ("/next", False)
    changes["response.headers"] = headers(Content_Length="0")
    _, profile = profile_of(tmp_path, entry(0, **changes))
    assert profile.steps[0].expect
    assert (profile.steps[0].expect.location, profile.steps[0].expect.empty) == ("/next", True)


def test_entries_are_told_in_order_of_time_and_never_at_once(tmp_path: Path) -> None:
    entries = [entry(n, time=0, startedDateTime=f"2026-03-02T09:30:0{n // 2}.000Z") for n in (4, 0, 1, 5, 2, 3)]
    status, profile = profile_of(tmp_path, *entries)
    assert [step.path for step in profile.steps] == [f"/page/{n}" for n in (0, 1, 2, 3, 4, 5)]
    begun = [e["mono_ns"] for e in events(status) if e["stage"] == "started"]
    assert len(set(begun)) == 6


def test_a_har_without_times_is_of_requests_one_after_the_other(tmp_path: Path) -> None:
    """As in Playwright's minimal mode."""
    made = {
        "response.headers": headers(Content_Type="application/json"),
        "response.content": {"size": 50, "mimeType": "", "text": '{"id": "4be0643f-1d98-473b-97cd-ca98a65347dd"}'},
    }
    after = {"request.url": "http://site.example/things/4be0643f-1d98-473b-97cd-ca98a65347dd"}
    status, profile = profile_of(tmp_path, entry(0, time=-1, **made), entry(0, time=-1, **after))
    assert "{{ steps." in profile.steps[1].path
    assert status.warnings == ("The HAR does not say how long requests took; they are taken for one after the other.",)


def test_the_rules_of_the_deployment_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = sent('{"shoe": "size-forty-two"}', "application/json")
    page = {"request.url": "http://site.example/runs/ab-12/small/"}
    monkeypatch.setenv("RECORDER_REDACT", "shoe")
    monkeypatch.setenv("RECORDER_RUN_PATTERN", "/runs/(?P<run_id>[^/]+)/(?P<config>[^/]+)")
    monkeypatch.setenv("RECORDER_RUN_ROOT", str(tmp_path / "{run_id}"))
    (tmp_path / "ab-12").mkdir()
    status, profile = profile_of(tmp_path, entry(0, **changes), entry(1, **page))
    assert b"size-forty-two" not in b"".join(p.read_bytes() for p in status.directory.rglob("*") if p.is_file())
    assert profile.metadata.recorded_with.run_id == "ab-12"
    assert list((tmp_path / "ab-12").iterdir()) == []
    monkeypatch.setenv("RECORDER_MODE", "strikt")
    with pytest.raises(AssemblyError, match="RECORDER_MODE='strikt'"):
        profile_of(tmp_path, entry(0))


def events(status: DraftStatus) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (status.directory / "events.jsonl").read_bytes().splitlines()]
