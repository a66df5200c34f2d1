"""Personal data is nowhere on the disk, and what was recorded of it replays: green on the same code, red on changed code."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from assembler import assemble
from assembler.promote import promote
from playback.engine import Options, replay
from playback.summary import render
from recorder import Settings
from recorder.core import Recorder
from tests.recorder.watching import events, exchanges, on_disk
from tests.support import Server

SLUG = "people"
ADA = {
    "first_name": "Ada",
    "last_name": "Königsberg-O'Hara",
    "email": "ada.k@engine-works.co.uk",
    "phone": "+43 660 1234567",
    "customer_no": "AT-081599",
}
ALAN = {
    "first_name": "ALAN",
    "last_name": "Turington",
    "email": "at@bletchleypark.example.net",
    "phone": "(0660) 765-43210",
    "customer_no": "UK-4711",
}
PERSONAL = re.compile(
    rb"ada\.k|engine-works|K\S{1,10}nigsberg|O.{1,6}Hara|turington|bletchley|765-43210"
    rb"|\b(?:081599|4711|1234567|76543210|ada|ALAN)\b",
    re.IGNORECASE,
)


def server(**env: str) -> Server:
    env["WRAPPED_APP"] = "tests.apps.people_wsgi:app"
    return Server.gunicorn("tests.apps.wrapped:app", env=env, path="/health", options=["--threads", "2"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording in which everything personal is typed, shown, searched for, and said in other words."""
    folder = tmp_path_factory.mktemp("people")
    env = {"RECORDER_ROOT": str(folder / "recorder"), "RECORDER_CAPTURE": SLUG, "RECORDER_ANONYMIZE": "customer_no"}
    with server(**env) as running, httpx.Client(base_url=running.url, follow_redirects=True) as browser:
        page = browser.post("/people", data=ADA)
        assert "Welcome, Ada Königsberg-O&#39;Hara!" in page.text
        assert browser.get("/search", params={"mail": ADA["email"]}).json() == [ADA]
        assert browser.post("/api/people", json=ALAN).json()["greeting"] == "Hello ALAN TURINGTON"
        assert browser.get(f"/by/{ALAN['email']}").json() == {"found": ["ALAN Turington"]}
        files = {"surname": (None, "Turington"), "text": (None, "Ada K., call 0660 1234567 or +436601234567")}
        assert browser.post("/notes", files=files).text.startswith("Turington wrote")
    assert assemble(folder / "recorder", SLUG, folder / "data").problems == ()
    promote(SLUG, folder / "data")
    return folder


def test_nothing_personal_is_in_any_file(folder: Path) -> None:
    assert sorted(set(PERSONAL.findall(on_disk(folder)))) == []


def test_one_value_has_one_stand_in_of_its_shape(folder: Path) -> None:
    by_path = {first["payload"]["path"]: (first, last) for first, last in exchanges(folder / "recorder" / "_logs")}
    sent = dict(httpx.QueryParams(by_path["/people"][1]["payload"]["request_body"]["text"]))
    assert re.fullmatch(r"[A-Z][a-z]{4}", sent["first_name"])
    assert re.fullmatch(r"[A-Z][a-z]{9}-[A-Z][a-z]*'[A-Z][a-z]{4}|[A-Z]\w+-\w+'\w+", sent["last_name"])
    assert re.fullmatch(r"[a-z]{3}\.[a-z]{4}@example\.(org|com|net)", sent["email"])
    assert re.fullmatch(r"\+\d\d \d{3} \d{7}", sent["phone"])
    assert re.fullmatch(r"[A-Z]{5}-\d{6}", sent["customer_no"])
    page = by_path["/people/1"][1]["payload"]["body"]["text"]
    assert f"call {sent['phone']}." in page
    assert f"mailto:{sent['email']}" in page
    assert f'"customer_no" value="{sent["customer_no"]}"' in page
    found = by_path["/search"]
    assert httpx.QueryParams(found[0]["payload"]["query"])["mail"] == sent["email"]
    added = by_path["/api/people"][1]["payload"]["body"]["text"]
    mail = re.search(r'"email":"([^"]+)"', added)
    assert mail is not None
    assert f"/by/{mail[1]}" in by_path


@pytest.mark.parametrize(("mutant", "result"), [("", "passed"), ("1", "failed")])
def test_a_replay_types_the_stand_ins(folder: Path, tmp_path: Path, mutant: str, result: str) -> None:
    env = {"RECORDER_ROOT": str(tmp_path / "fresh"), "RECORDER_ENVIRONMENT": "test"}
    with server(**env, **({"MUTANT": mutant} if mutant else {})) as running:
        report = replay(SLUG, folder / "data", Options(base_url=running.url), {})
    assert report.result == result, render(report)
    assert PERSONAL.search(on_disk(tmp_path)) is None


def test_processes_share_what_they_know_of_names(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path, anonymize=())
    one, other = Recorder(settings), Recorder(settings)
    before = other.redactor()
    assert before.known("Dear Lovelace") == "Dear Lovelace"
    redactor = one.redactor()
    redactor.scan('{"last_name": "Lovelace"}', "json")
    (shown,) = {each.redactor().known("Dear Lovelace") for each in (one, other)}
    assert shown != "Dear Lovelace"
    assert b"ovelace" not in on_disk(tmp_path)
    assert (tmp_path / "personal").stat().st_mode & 0o777 == 0o600


def test_what_is_not_personal_stays(tmp_path: Path) -> None:
    redactor = Recorder(Settings(root=tmp_path, anonymize=())).redactor()
    text = (
        '{"at":"2026-11-20T10:41:06.123456Z","id":"550e8400-e29b-41d4-a716-446655440000","n":1234567890.25,'
        '"ip":"192.168.0.17:8000","tif":"12-34_5678-90.tif","css":"@media (max-width: 600px)","project_name":"Ada"}'
    )
    assert redactor.render(redactor.scan(text, "json"))[0] == text


def test_it_is_off_unless_it_is_asked_for(tmp_path: Path) -> None:
    redactor = Recorder(Settings.from_env({"RECORDER_ROOT": str(tmp_path)})).redactor()
    text = "first_name=Ada&mail=ada%40engine-works.co.uk"
    assert redactor.render(redactor.scan(text, "form"))[0] == text
    assert not (tmp_path / "personal").exists()
    on = Settings.from_env({"RECORDER_ANONYMIZE": "true"})
    assert (on.anonymize, Settings.from_env({"RECORDER_ANONYMIZE": "no"}).anonymize) == ((), None)
    assert Settings.from_env({"RECORDER_ANONYMIZE": "street, zip"}).anonymize == ("street", "zip")
    assert events(tmp_path / "_logs") == []
