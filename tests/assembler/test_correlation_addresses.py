"""Values that stand in addresses: inside headers, fields and documents, encoded, beside ids, or with an origin of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from assembler.extractors import Answer, evaluate
from assembler.profile import Step
from tests.assembler.recorded import Call, api, get, profile_of

ORIGIN = "http://127.0.0.1:8000"
RANDOM = "99133bb3f1524425a2066c8d0d040567"


def last(folder: Path, *calls: Call) -> Step:
    return profile_of(folder, calls).steps[-1]


def test_an_address_in_a_header_is_sent_to_the_origin_of_the_replay(tmp_path: Path) -> None:
    move = Call("MOVE", "/docs/a.txt", sent=[("destination", f"{ORIGIN}/docs/old/a%20b.txt")], status=201)
    assert last(tmp_path, move).headers["destination"] == "{{ origin }}/docs/old/a%20b.txt"


@pytest.mark.parametrize("address", [f"{ORIGIN}/authors/7/", "/authors/7/"])
def test_an_address_in_a_document_is_cut_up_as_the_address_of_a_request(tmp_path: Path, address: str) -> None:
    made = api("POST", "/authors/", f'{{"url": "{ORIGIN}/authors/7/"}}', '{"name": "Ada"}', status=201)
    step = last(tmp_path, made, api("POST", "/books/", "{}", f'{{"title": "Notes", "author": "{address}"}}'))
    assert step.json_ is not None
    assert "{{ steps.post-authors." in step.json_
    assert "127.0.0.1" not in step.json_
    assert "7" not in step.json_


def test_an_address_that_no_answer_showed_stays_as_it_is(tmp_path: Path) -> None:
    sent = '{"path": "/authors/7/", "hook": "https://example.org/authors/7", "near": "http://127.0.0.1:80001/x"}'
    assert last(tmp_path, get("/", "7"), api("POST", "/batch", "{}", sent)).json_ == sent


MADE = api("POST", "/jobs", f'{{"store": "files:/3/{RANDOM}", "other": "files:/4/{RANDOM[::-1]}"}}', "{}")


def test_a_number_is_taken_from_any_address_in_which_the_same_id_follows_it(tmp_path: Path) -> None:
    step = last(tmp_path, MADE, Call("PUT", f"/proxy/3/{RANDOM}/a.txt", body="1"))
    assert step.path == "/proxy/{{ steps.post-jobs.store }}/{{ steps.post-jobs.store_2 }}/a.txt"
    inside = last(tmp_path / "inside", MADE, api("POST", "/models", "{}", f'{{"source": "files:/3/{RANDOM}/model"}}'))
    assert inside.json_ == '{"source": "files:/{{ steps.post-jobs.store }}/{{ steps.post-jobs.store_2 }}/model"}'


@pytest.mark.parametrize("path", ["/proxy/3/plain/a.txt", f"/proxy/4/{RANDOM}/a.txt", f"/proxy/{RANDOM}/3/a.txt"])
def test_a_number_beside_another_id_is_the_client_s_own(tmp_path: Path, path: str) -> None:
    step = last(tmp_path, MADE, Call("PUT", path, body="1"))
    assert step.path == path.replace(RANDOM, "{{ steps.post-jobs.store }}")


@pytest.mark.parametrize("header", [True, False], ids=["header", "document"])
def test_a_cursor_is_decoded_where_it_is_cut_out_of_an_address(tmp_path: Path, header: bool) -> None:
    following = f"{ORIGIN}/items?cursor=cj0xJnA9MjAyNi0xMS0yMCsxMg%3D%3D"
    first = (
        api("GET", "/items", "[]", headers=[("next-page", following)])
        if header
        else api("GET", "/items", f'{{"next": "{following}"}}')
    )
    profile = profile_of(tmp_path, [first, api("GET", "/items?cursor=cj0xJnA9MjAyNi0xMS0yMCsxMg%3D%3D", "[]")])
    assert profile.steps[1].query is not None
    assert profile.steps[1].query.startswith("cursor={{ steps.get-items.")
    extract = next(iter(profile.steps[0].extract.values()))
    live = f"{ORIGIN}/items?cursor=cj0xJnA9OTk5OS0wMS0wMSsxMQ%3D%3D"
    answer = Answer(200, [("next-page", live), ("content-type", "application/json")], f'{{"next": "{live}"}}')
    assert evaluate(extract, answer) == "cj0xJnA9OTk5OS0wMS0wMSsxMQ=="


BEHIND = "/view?ticket=sup-1&email=zoe%40example.org&key="
KEY = "432cce86-2751-4a74-93bf-ccbdae744328"


@pytest.mark.parametrize("linked", [True, False], ids=["link", "redirect"])
def test_a_value_behind_escaped_text_is_taken_from_its_address(tmp_path: Path, linked: bool) -> None:
    page = f'<p><a href="{BEHIND.replace("&", "&amp;")}{KEY}">your ticket</a></p>'
    made = (
        get("/tickets", page) if linked else Call("POST", "/tickets", status=302, headers=[("location", BEHIND + KEY)])
    )
    first, second = profile_of(tmp_path, [made, get(BEHIND + KEY, "<p>ok</p>")]).steps
    assert second.query is not None
    assert second.query.endswith(f"key={{{{ steps.{first.id}.key }}}}")


def test_an_id_behind_a_name_with_umlauts_is_taken_from_its_address(tmp_path: Path) -> None:
    links = '<a href="/wiki/Zo%C3%AB/edit/17">edit</a>'
    first, second = profile_of(
        tmp_path, [get("/wiki/Zo%C3%AB", links), get("/wiki/Zo%C3%AB/edit/17", "<p>ok</p>")]
    ).steps
    assert second.path == f"/wiki/Zo%C3%AB/edit/{{{{ steps.{first.id}.edit_id }}}}"


@pytest.mark.parametrize("query", ["_since=1795175783552", "_since=%221795175783552%22"])
def test_a_number_too_long_for_chance_is_recognised(tmp_path: Path, query: str) -> None:
    first = api("GET", "/items", '{"data": [{"last_modified": 1795175783552}]}')
    step = last(tmp_path, first, api("GET", f"/items?{query}", "[]"))
    assert step.query is not None
    assert "{{ steps.get-items.last_modified }}" in step.query


def test_the_version_of_an_interface_is_no_id(tmp_path: Path) -> None:
    first = api("GET", "/", f'{{"url": "{ORIGIN}/v1/"}}')
    assert last(tmp_path, first, api("GET", "/v1/items", "[]")).path == "/v1/items"


def test_letters_that_nobody_could_say_are_a_token(tmp_path: Path) -> None:
    token = "psinjapwrawganbmbhrxpmkvloyuyavvlxomwebtcfqnjuyhugvkmmpar"
    taken = api("POST", "/receive", f'{{"handle": "{token}"}}', "{}")
    step = last(tmp_path, taken, api("POST", "/delete", "{}", f'{{"handle": "{token}"}}'))
    assert step.json_ == '{"handle": "{{ steps.post-receive.handle }}"}'


def test_a_conditional_read_is_another_question_and_no_poll(tmp_path: Path) -> None:
    tag = ("etag", '"1234-abc"')
    page = get("/a.txt", "alpha", headers=[tag])
    asked = get("/a.txt", "", status=304, headers=[tag], sent=[("if-none-match", '"1234-abc"')])
    steps = profile_of(tmp_path, [page, asked]).steps
    assert [s.expect.status for s in steps if s.expect] == [200, 304]
    assert all(s.wait is None for s in steps)
    assert "steps.get-a-txt.etag" in str(steps[1].headers["if-none-match"])


@pytest.mark.parametrize("number", ["17", "0d9f3a52-7c1e-4a58-9c55-0b7d1f6f2c11"])
def test_what_belongs_to_something_is_a_place_and_no_name(tmp_path: Path, number: str) -> None:
    links = f'{{"id": "{number}", "links": {{"receipts": "/claims/{number}/receipts"}}}}'
    made = api("POST", "/claims", links, '{"title": "Taxi"}', status=201)
    step = last(tmp_path, made, api("POST", f"/claims/{number}/receipts", "{}", "{}"))
    assert (step.path or "").startswith("/claims/{{ steps.post-claims.")
    assert (step.path or "").endswith(" }}/receipts")


def test_what_an_answer_called_something_new_is_a_name(tmp_path: Path) -> None:
    made = api("POST", "/jobs", "{}", '{"title": "Nightly"}', status=201, headers=[("location", "/jobs/nightly")])
    assert (last(tmp_path, made, api("GET", "/jobs/nightly", "{}")).path or "").startswith("/jobs/{{ steps.post-jobs.")


def test_an_error_gives_nothing_a_name(tmp_path: Path) -> None:
    refused = api("POST", "/users", '{"detail": [{"loc": ["body", "password"]}]}', '{"name": "ada"}', status=422)
    step = last(tmp_path, refused, api("POST", "/token", "{}", '{"grant_type": "password"}'))
    assert step.json_ == '{"grant_type": "password"}'


@pytest.mark.parametrize("state", ["EkGMNH2yY-w7Rave", "Rave-Kilo", "aBcDeFgH"])
def test_the_query_of_an_address_that_an_answer_led_to_is_taken_from_there(tmp_path: Path, state: str) -> None:
    to = f"/authorize?client=shop&state={state}"
    led = Call("GET", "/login", "", status=302, headers=[("location", to)])
    assert last(tmp_path, led, get(to, "<p>ok</p>")).query == "client=shop&state={{ steps.get-login.state }}"


@pytest.mark.parametrize("state", ["wRKsiQkaf6Ycc2c7", "wave-Kilo", "9f3c"])
def test_a_value_is_found_whatever_the_next_parameter_is_set_to(tmp_path: Path, state: str) -> None:
    code = "Zk3vW8sQ1nTb7YxLcR5d"
    to = f"/callback?code={code}&state={state}"
    step = profile_of(tmp_path, [Call("GET", "/authorize", status=302, headers=[("location", to)]), get(to, "")]).steps[0]
    (extract,) = [e for e in step.extract.values() if e.was == code or "code=" in (e.regex or "")]
    answer = Answer(302, [("location", "/callback?code=7YxLcR5dZk3vW8sQ1nTb&state=Mno7Pqr8")], "")
    assert evaluate(extract, answer) == "7YxLcR5dZk3vW8sQ1nTb"
