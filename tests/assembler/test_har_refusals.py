"""What is no HAR 1.2 is told in a sentence, whatever it is."""

from __future__ import annotations

import copy
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assembler import AssemblyError, har
from assembler.document import load_profile
from assembler.har_export import export_har
from assembler.har_import import import_har
from tests.assembler.har_making import entry, log, written

NO_HAR: list[tuple[Any, str]] = [
    (b"\xff\xfe\x00", "is not JSON"),
    (b'{"log": NaN}', "is not JSON"),
    (b"[" * 100_000, "is not JSON"),
    (b"PK\x03\x04....", "is a zip file; unpack it"),
    ([], "the document is a list"),
    ({}, "/log is missing"),
    ({"log": 7}, "/log is a number"),
    ({"log": {}}, "/log/entries is missing"),
    ({"log": {"version": "2.0", "entries": []}}, "/log/version is '2.0'"),
    (log(), "holds no request of HTTP"),
    (log(7), "/log/entries/0 is a number"),
    (log(entry(), entry(request=None)), "/log/entries/1/request is missing"),
    (log(entry(**{"request.method": "G T"})), "/log/entries/0/request/method is no method"),
    (log(entry(**{"request.url": "http://[::1"})), "/log/entries/0/request/url is no address"),
    (log(entry(**{"request.url": "/page"})), "/log/entries/0/request/url is no address"),
    (log(entry(**{"request.headers": [{"name": 1}]})), "/log/entries/0/request/headers/0/name is a number"),
    (log(entry(time=-3)), "/log/entries/0/time is -3 ms"),
    (log(entry(time=1e30)), "/log/entries/0/time is beyond all measure"),
    (log(entry(time=True)), "/log/entries/0/time is true or false"),
    (log(entry(startedDateTime="yesterday")), "/log/entries/0/startedDateTime is no date and time"),
    (log(entry(startedDateTime="0001-01-01T00:00:00+14:00")), "/log/entries/0/startedDateTime is in the year 1"),
    (log(entry(**{"response.status": 42})), "/log/entries/0/response/status is no status"),
    (log(entry(**{"response.content": None})), "/log/entries/0/response/content is missing"),
    (log(entry(**{"response.content.encoding": "base64", "response.content.text": "ä"})), "text is not base64"),
    (log(entry(**{"response.status": 0})), "holds no answered request"),
]


@pytest.mark.parametrize(("document", "sentence"), NO_HAR, ids=[sentence for _, sentence in NO_HAR])
def test_what_is_no_har_is_told_in_a_sentence(tmp_path: Path, document: Any, sentence: str) -> None:
    with pytest.raises(AssemblyError) as raised:
        import_har(written(tmp_path, document), "some", tmp_path)
    assert sentence in str(raised.value)
    assert str(tmp_path / "some.har") in str(raised.value)
    assert "\n" not in str(raised.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "some.har"]


def test_a_har_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(har, "LIMIT", 1 << 20)
    with pytest.raises(AssemblyError, match="has 1 MiB; HARs of up to 1 MiB are read"):
        import_har(written(tmp_path, b" " * ((1 << 20) + 1)), "some", tmp_path)


def test_lone_surrogates_are_no_fault(tmp_path: Path) -> None:
    document = json.dumps(log(entry(**{"response.content.text": "half: \ud83d"}))).encode()
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(document)
    status = import_har(written(tmp_path, document), "some", tmp_path)
    assert status.steps == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(JSON, st.builds(lambda found: {"log": found}, JSON), st.lists(JSON, max_size=3).map(lambda e: log(*e)))
)
def test_arbitrary_json_is_refused_in_a_sentence(document: Any) -> None:
    attempt(document)


WORDS = st.text(max_size=20) | st.sampled_from(
    ["", "base64", "multipart/form-data; boundary=b", "text/html", "application/json; charset=idna", "application/json",
     "application/x-www-form-urlencoded", "a=b&%zz&csrf_token=abcdefghijklmnop", "{", '{"id": 7, "token": "x1x2x3x4x5x6x7"}',
     "--b\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n\r\n--b--", "<a href='//['><input name=token value=q1>",
     "text/event-stream", "sid=abcdefghijklmnop; Path=/", '"etag"', "gzip", "7", "\x00", "\ufffd", "Basic YTpi"]
)  # fmt: skip
NAMES = [
    "Cookie",
    "Set-Cookie",
    "Content-Type",
    "Content-Length",
    "Content-Encoding",
    "Location",
    "ETag",
    "If-None-Match",
]
FIELDS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from([*NAMES, "Authorization", "X-CSRF-Token", ":a", "é"]), "value": WORDS}
    ),
    max_size=4,
)
DATES = st.sampled_from(["2026-03-02", "2026-03-02T09:30:00.001Z", "2026-03-02T09:30:01+01:00", "20260302T093002"])
URLS = st.builds("http://site.example/{}".format, WORDS | st.sampled_from(["/?%&=é#x", "7", "?next=//["]))
POSTS = st.fixed_dictionaries({}, optional={"mimeType": WORDS, "text": WORDS, "params": FIELDS, "encoding": WORDS})
PLACES: dict[tuple[str, ...], st.SearchStrategy[Any]] = {
    ("startedDateTime",): DATES,
    ("time",): st.sampled_from([-2, -1]) | st.floats(0, 1e6),
    ("request", "method"): st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "get", "X"]),
    ("request", "url"): URLS,
    ("request", "headers"): FIELDS,
    ("request", "cookies"): FIELDS,
    ("request", "postData"): POSTS,
    ("request", "bodySize"): st.integers(-1, 100),
    ("response", "status"): st.sampled_from([0, 101, 204, 302, 304, 404, 500, 999, 200.0]),
    ("response", "headers"): FIELDS,
    ("response", "cookies"): FIELDS,
    ("response", "redirectURL"): WORDS,
    ("response", "content", "text"): WORDS,
    ("response", "content", "encoding"): WORDS,
    ("response", "content", "mimeType"): WORDS,
    ("_fromCache",): WORDS,
    ("_before_capture",): st.booleans(),
}
RARELY = st.integers(0, 12).map(lambda number: number == 12)
CHANGES = st.one_of(
    st.tuples(st.integers(0, 2), st.just(place), RARELY.flatmap(lambda wrong, good=good: JSON if wrong else good))
    for place, good in PLACES.items()
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(CHANGES, max_size=8))
def test_a_har_with_arbitrary_values_is_a_draft_or_a_sentence(changes: list[tuple[int, tuple[str, ...], Any]]) -> None:
    entries = [entry(number) for number in range(3)]
    for number, (*parents, key), value in changes:
        place: Any = entries[number]
        for parent in parents:
            place = place[parent]
        place[key] = copy.deepcopy(value)
    attempt(log(*entries))


def attempt(document: Any) -> None:
    """A draft that can be read, or one sentence."""
    with tempfile.TemporaryDirectory() as folder:
        root, refused = Path(folder), ""
        try:
            status = import_har(written(root, document), "some", root)
        except AssemblyError as error:
            refused = str(error)
        if refused:
            assert re.fullmatch(r"[^\n]+[.?]", refused)
        else:
            assert load_profile(status.directory / "profile.yaml").metadata.slug == "some"
            assert export_har(status.directory)["log"]["entries"]
