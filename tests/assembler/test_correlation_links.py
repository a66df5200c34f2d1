"""Codes that came in an address beside something random, and numbers that are part of something random."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assembler.extractors import Answer, evaluate
from assembler.profile import Profile, Step
from tests.assembler.recorded import JSON, Call, api, get, profile_of

TOKEN = "c7k2x1-81f0a9d3b5e7421c9f3e6d5a4b3c2d1e"
ADDRESS = "http://127.0.0.1:8000/reset/{0}/{1}/"


def mail(address: str) -> Call:
    return api("GET", "/outbox", json.dumps([{"to": "zoe@example.org", "body": f"Mg of salt? Follow\n{address}\nBye"}]))


def taken(profile: Profile, text: str) -> list[str | None]:
    answer = Answer(200, [JSON], text)
    return [evaluate(extract, answer) for extract in profile.steps[0].extract.values()]


@pytest.mark.parametrize(
    "page",
    [mail(ADDRESS.format("Mg", TOKEN)), get("/outbox", f"<pre>{ADDRESS.format('Mg', TOKEN)}</pre>")],
    ids=["document", "page"],
)
def test_a_code_comes_from_the_address_it_stood_in(tmp_path: Path, page: Call) -> None:
    profile = profile_of(tmp_path, [page, get(f"/reset/Mg/{TOKEN}/", "<p>ok</p>")])
    assert "Mg" not in (profile.steps[1].path or "")
    live = page.answer.replace("/Mg/", "/MTI/").replace(TOKEN, TOKEN[::-1])
    if page.kind == JSON:
        assert taken(profile, live) == ["MTI", TOKEN[::-1]]


@pytest.mark.parametrize(
    "path", [f"/reset/Ng/{TOKEN}/", f"/start/Mg/{TOKEN}/", f"/reset/Mg/{TOKEN}x9/", "/reset/Mg/now/"]
)
def test_a_code_that_no_address_held_so_stays(tmp_path: Path, path: str) -> None:
    step: Step = profile_of(tmp_path, [mail(ADDRESS.format("Mg", TOKEN)), get(path, "<p>ok</p>")]).steps[-1]
    assert (step.path or "").startswith("/".join(path.split("/")[:3]))


def test_a_number_that_begins_something_random_is_no_id(tmp_path: Path) -> None:
    secret = "2-dicifz-f42020b2d4adf84fe34da414ccb607e8"
    redirect = get(f"/key/{secret}/", "", status=302, headers=[("location", "/key/2-set/")])
    profile = profile_of(
        tmp_path, [mail(f"http://127.0.0.1:8000/key/{secret}/"), redirect, get("/key/2-set/", "<p>ok</p>")]
    )
    assert profile.steps[2].path == f"/key/{{{{ steps.{profile.steps[1].id}.key }}}}-set/"


def test_what_follows_an_id_in_an_address_ends_where_something_random_begins(tmp_path: Path) -> None:
    session = "session-d1f579ae-8a30-4b17-a283-c622d8875041"
    begun = Call("POST", "/blobs", status=202, headers=[("location", f"/blobs/put/2/{session}")])
    first = profile_of(tmp_path, [begun, Call("PATCH", f"/blobs/put/2/{session}", body="abc")]).steps[0]
    live = Answer(202, [("location", f"/blobs/put/11/{session.replace('d1f5', '07c2')}")], "")
    assert [evaluate(e, live) for e in first.extract.values()] == ["11", session.replace("d1f5", "07c2")]


def page_after(cursor: str) -> Call:
    return Call("GET", f"/docs?cursor={cursor}", '{"items": []}', kind=JSON)


def test_the_place_in_a_list_is_taken_from_where_the_server_said_it(tmp_path: Path) -> None:
    first = Call("GET", "/docs", '{"items": []}', kind=JSON, headers=[("link", '</docs?cursor=Yzoy>; rel="next"')])
    profile = profile_of(tmp_path, [first, page_after("Yzoy")])
    assert [e.header for e in profile.steps[0].extract.values()] == ["link"]
    assert "{{ steps.get-docs." in (profile.steps[1].query or "")


def test_a_place_that_nobody_named_is_the_client_s(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, [Call("GET", "/docs", '{"items": []}', kind=JSON), page_after("Yzoy")])
    assert profile.steps[1].query == "cursor=Yzoy"


def test_a_referer_repeats_the_address_that_was_asked_for(tmp_path: Path) -> None:
    calls = [
        get("/books", '<a href="/books/emma_2/">Emma</a>'),
        get("/books/emma_2/", "<h1>Emma</h1>"),
        Call("POST", "/basket", sent=[("referer", "http://127.0.0.1:8000/books/emma_2/")]),
    ]
    step = profile_of(tmp_path, calls).steps[2]
    assert "/books/emma_{{ steps.get-books." in (step.headers or {})["referer"]
