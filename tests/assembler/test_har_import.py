"""What becomes of the entries of a HAR: bodies, cookies, times, origins."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from assembler import AssemblyError
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
