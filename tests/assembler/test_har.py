"""HAR in and out: what browsers write becomes a draft that replays, what was recorded is a valid HAR that comes back."""

from __future__ import annotations

import copy
import json
import re
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assembler import AssemblyError, DraftStatus, assemble, har
from assembler.document import load_profile
from assembler.har_export import export_har
from assembler.har_import import import_har
from assembler.profile import Profile
from assembler.promote import NotPromotable, promote
from playback.engine import Options, replay
from tests.apps import orders_drive
from tests.assembler.har_traffic import Traffic
from tests.support import ROOT
from tests.test_roundtrip import SLUG, SUBJECTS, Subject

GOLDEN = Path(__file__).parent / "har"
SECRETS = {
    "chromium": ["Zp3kQ9vT1xYw7LmN4rB8sD2f", "Hq6uW0eR5tGy8JkL1zXc3VbN", "c0ffee12c0ffee34c0ffee56c0ffee78", "hunter2"],
    "firefox": ["kV9s2LxQ7wTz4HnB", "9f8e7d6c5b4a39281706f5e4d3c2b1a0", "s3same-Open"],
    "playwright": ["mW3nE8rT5yU1iO6pA9sD", "T0k3n-6fK2sJ8dH4gF1aZ7xC"],
}


def imported(name: str, folder: Path) -> tuple[DraftStatus, Profile]:
    status = import_har(GOLDEN / f"{name}.har", name, folder)
    return status, load_profile(status.directory / "profile.yaml")


def requests(profile: Profile) -> list[str]:
    return [f"{step.method} {step.path} {step.expect.status if step.expect else None}" for step in profile.steps]


def written(folder: Path, document: Any, name: str = "some.har") -> Path:
    path = folder / name
    path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    return path


# ---------------------------------------------------------------------- as browsers write it


def test_chromium(tmp_path: Path) -> None:
    status, profile = imported("chromium", tmp_path)
    assert requests(profile) == [
        "GET /login 200",
        "POST /login 302",
        "GET / 200",
        "GET /static/shop.css 200",
        "GET /static/logo.png 200",
        "POST /api/items 201",
        "POST /items/{{ steps.post-api-items.item_id }}/photo 200",
        "GET /items/{{ steps.post-api-items.item_id }} 200",
        "GET /static/shop.js 200",  # 304 about what the browser had from before: a fresh one is given it
        "GET /static/shop.css 304",
    ]
    steps = {step.id: step for step in profile.steps}
    assert steps["post-login"].form == [
        ("csrf_token", "{{ steps.get-login.csrf_token }}"),
        ("email", "ada@example.org"),
        ("password", "{{ secrets.PASSWORD }}"),
    ]
    assert steps["get-login"].expect
    assert steps["get-login"].expect.cookies == ["session", "theme"]
    assert steps["get-static-shop-css-2"].headers == {"if-none-match": "{{ steps.get-static-shop-css.etag }}"}
    assert {step.client for step in profile.steps} == {"main"}
    assert profile.metadata.recorded_with.origin == "https://shop.example"
    text = (status.directory / "profile.yaml").read_text()
    assert not re.search(r"^ +:?(authority|scheme|method): [^GP]", text, re.MULTILINE)
    assert (status.directory / "baseline/answers/get-static-logo-png.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert status.warnings[:5] == (
        "Of the HAR only requests to https://shop.example are in here; 1 to others were left out: https://fonts.example (1).",
        "Left out of the HAR, that are no requests of HTTP (data:, blob: and the like): /log/entries/1.",
        "Left out of the HAR, that are websocket connections, which are not replayed: /log/entries/9.",
        "Left out of the HAR, that were aborted or never answered: /log/entries/10.",
        "Left out of the HAR, that the browser answered from its cache: /log/entries/12.",
    )
    assert len(status.problems) == 1
    assert "step post-items-photo: the file 'lamp.png' was not stored (unavailable)" in status.problems[0]
    with pytest.raises(NotPromotable, match=r"lamp\.png"):
        promote("chromium", tmp_path)
    missing = re.search(r"put it at (\S+) in", status.problems[0])
    assert missing
    (status.directory / missing[1]).write_bytes(b"\x89PNG")
    promote("chromium", tmp_path)


def test_firefox(tmp_path: Path) -> None:
    status, profile = imported("firefox", tmp_path)
    assert (status.problems, len(profile.steps)) == ((), 5)
    assert "server-sent events" in status.warnings[0]
    upload = next(step for step in profile.steps if step.multipart)
    assert upload.multipart
    assert [(part.name, part.value, part.filename) for part in upload.multipart] == [
        ("token", "{{ steps.get-in.token }}", None),
        ("file", None, "grüße.txt"),
        ("empty", None, ""),
    ]
    assert upload.multipart[1].file
    assert (status.directory / upload.multipart[1].file).read_text() == "Grüße aus dem Norden\nzweite Zeile\n"
    login = profile.steps[1]
    assert login.form == [
        ("login", "bob"),
        ("password", "{{ secrets.PASSWORD }}"),
        ("token", "{{ steps.get-in.token }}"),
    ]
    assert profile.metadata.recorded_with.started == "2026-03-02T09:30:00.000000Z"  # written with +01:00


def test_playwright(tmp_path: Path) -> None:
    status, profile = imported("playwright", tmp_path)
    assert len(profile.steps) == 4
    assert status.warnings == (
        "Left out of the HAR, that were aborted or never answered: /log/entries/4, /log/entries/5.",
    )
    assert "Tables" in (status.directory / "baseline/answers/get.html").read_text()  # attached in a file of its own
    assert profile.steps[1].headers == {"x-csrf-token": "{{ steps.get.x_csrf_token }}"}
    assert [problem.partition(";")[0] for problem in status.problems] == [
        "step post-tables: the file 'p.png' was not stored (unavailable)",
        "step post-blob: the request's body was not stored (unavailable)",
    ]


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_secrets_are_nowhere(tmp_path: Path, name: str) -> None:
    imported(name, tmp_path)
    source = (GOLDEN / f"{name}.har").read_text() + (GOLDEN / "page.html").read_text()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for secret in SECRETS[name]:
        assert secret in source
        assert [path.name for path in files if secret.encode() in path.read_bytes()] == []
    assert [path.name for path in (tmp_path / "profiles/_drafts").iterdir()] == [name]


def test_secrets_never_reach_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the place where the draft is made, which is gone afterwards."""
    seen: list[Path] = []

    def look(root: Path, slug: str, data_root: Path) -> DraftStatus:
        seen.extend(path for path in tmp_path.rglob("*") if path.is_file())
        for path in seen:
            content = path.read_bytes()
            assert not any(secret.encode() in content for secret in SECRETS["chromium"]), path
        return assemble(root, slug, data_root)

    monkeypatch.setattr("assembler.har_import.assemble", look)
    imported("chromium", tmp_path)
    assert any(path.name == "profile.events.jsonl" for path in seen)
    assert not any(path.exists() for path in seen)


# ---------------------------------------------------------------------- what is put together


def entry(number: int = 0, **changes: Any) -> dict[str, Any]:
    """An entry; `changes` by dotted path, `None` to take a key away: `entry(**{"response.status": 404})`."""
    made: dict[str, Any] = {
        "startedDateTime": f"2026-03-02T09:30:{number:02d}.000Z",
        "time": 12.5,
        "request": {
            "method": "GET", "url": f"http://site.example/page/{number}", "httpVersion": "HTTP/1.1", "cookies": [],
            "headers": [], "queryString": [], "headersSize": -1, "bodySize": 0,
        },
        "response": {
            "status": 200, "statusText": "OK", "httpVersion": "HTTP/1.1", "cookies": [],
            "headers": [{"name": "Content-Type", "value": "text/plain"}],
            "content": {"size": 2, "mimeType": "text/plain", "text": "ok"},
            "redirectURL": "", "headersSize": -1, "bodySize": 2,
        },
        "cache": {}, "timings": {"send": 0, "wait": 12.5, "receive": 0},
    }  # fmt: skip
    for path, value in changes.items():
        *parents, key = path.split(".")
        place = made
        for parent in parents:
            place = place[parent]
        place.pop(key) if value is None else place.__setitem__(key, value)
    return made


def log(*entries: Any, **more: Any) -> dict[str, Any]:
    return {"log": {"version": "1.2", "creator": {"name": "test", "version": "1"}, "entries": list(entries), **more}}


def profile_of(folder: Path, *entries: Any, **options: Any) -> tuple[DraftStatus, Profile]:
    status = import_har(written(folder, log(*entries)), "some", folder, **options)
    return status, load_profile(status.directory / "profile.yaml")


def headers(**pairs: str) -> list[dict[str, str]]:
    return [{"name": name.replace("_", "-"), "value": value} for name, value in pairs.items()]


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


# ---------------------------------------------------------------------- what is no HAR

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
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        try:
            status = import_har(written(root, document), "some", root)
        except AssemblyError:
            return
        load_profile(status.directory / "profile.yaml")
        assert export_har(status.directory)["log"]["entries"]


# ---------------------------------------------------------------------- out again


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


# ---------------------------------------------------------------------- the application itself


@pytest.fixture(scope="module")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data root with a profile of what a client of `orders` wrote down; the application was not recorded."""
    root = tmp_path_factory.mktemp("har")
    traffic = Traffic()
    with pytest.MonkeyPatch.context() as patch, SUBJECTS["orders"].fresh(root / "state") as server:
        patch.setattr(orders_drive, "browser", _watched(traffic))
        orders_drive.drive(server.url)
    status = import_har(traffic.write(root / "orders.har"), SLUG, root / "data")
    assert (status.problems, status.warnings) == ((), ())
    assert orders_drive.PASSWORD in (root / "orders.har").read_text().replace("+", " ")
    promote(SLUG, root / "data")
    return root / "data"


def _watched(traffic: Traffic) -> Callable[[str], httpx.Client]:
    def browser(base_url: str) -> httpx.Client:
        return httpx.Client(
            base_url=base_url, follow_redirects=True, trust_env=False, timeout=20, event_hooks=traffic.hooks
        )

    return browser


@pytest.mark.parametrize("mutant", [0, 1, 4, 5, 6])
def test_it_replays_green_and_on_a_mutant_red(promoted: Path, tmp_path: Path, mutant: int) -> None:
    subject = SUBJECTS["orders"]
    with subject.fresh(tmp_path, mutant=mutant, shift=0 if mutant else 7) as server:
        report = replay(SLUG, promoted, Options(base_url=server.url), dict(subject.secrets))
        assert report.result == ("failed" if mutant else "passed"), [
            (s.id, m) for s in report.steps for m in s.mismatches
        ]
        if not mutant:
            subject.check(server.url)
