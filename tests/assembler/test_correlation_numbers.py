"""Counted ids: where a page or document showed them, and that chance equality of small numbers proves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from assembler.extractors import Answer, evaluate
from assembler.profile import Profile
from tests.assembler.recorded import JSON, Call, api, form, get, profile_of


def sources(profile: Profile) -> dict[str, list[str]]:
    """For each step that is a source: the numbers taken from it."""
    return {s.id: sorted(e.was or "" for e in s.extract.values()) for s in profile.steps if s.extract}


PAGES = {
    "data attribute": '<li data-id="7">Toys <button data-action="archive">x</button></li>',
    "data attribute with a noun": '<button data-box-id="7">x</button><b data-tin-id="7"></b>',
    "element id": '<table><tr id="box-7"><td>Toys</td></tr></table>',
    "script": "<script>const BOX_ID = 7, SIZE = 7;</script>",
    "address in an attribute": '<button data-url="/boxes/7/archive">x</button>',
    "htmx": '<button hx-post="/boxes/7/archive">x</button>',
    "document in an attribute": """<div data-props='{"boxes": [{"id": 7, "name": "Toys"}]}'></div>""",
    "document in a script": '<script type="application/json" id="boot">{"boxes": [{"id": 7}]}</script>',
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_an_id_that_a_page_keeps_for_its_scripts(tmp_path: Path, page: str) -> None:
    profile = profile_of(tmp_path, [get("/boxes", page), form("/boxes/7/archive", "sure=1")])
    assert sources(profile) == {"get-boxes": ["7"]}
    assert "{{ steps.get-boxes." in (profile.steps[1].path or "")


@pytest.mark.parametrize(
    "page",
    ["<p>7 boxes</p>", '<i data-width="7"></i>', '<b data-tin-id="7"></b>', "<script>let size = 7;</script>"],
)
def test_a_number_that_is_no_id_of_the_thing_is_no_source(tmp_path: Path, page: str) -> None:
    profile = profile_of(tmp_path, [get("/boxes", page), form("/boxes/7/archive", "sure=1")])
    assert sources(profile) == {}


def test_a_parameter_is_taken_from_the_link_that_leads_there(tmp_path: Path) -> None:
    owners = '<a href="/owner/edit?id=1">edit</a>'
    pets = '<a href="/pet/edit?id=1">edit</a>'
    profile = profile_of(tmp_path, [get("/owner/", owners), get("/pet/", pets), get("/pet/edit?id=1", "<p>Rex</p>")])
    assert sources(profile) == {"get-pet": ["1"]}


def test_a_field_is_taken_from_the_form_that_is_sent_there(tmp_path: Path) -> None:
    page = '<form action="/{0}/delete"><input name=id value=1></form>'
    calls = [get("/owner/", page.format("owner")), get("/pet/", page.format("pet")), form("/pet/delete", "id=1")]
    assert sources(profile_of(tmp_path, calls)) == {"get-pet": ["1"]}


def test_of_weak_evidence_the_page_seen_last_is_the_source(tmp_path: Path) -> None:
    page = "<table><tr><td><input type=checkbox name=rowid value=1></table>"
    calls = [get("/owner/", page), get("/pet/", page), form("/pet/action", "action=feed&rowid=1")]
    assert sources(profile_of(tmp_path, calls)) == {"get-pet": ["1"]}


def test_a_handle_is_taken_from_the_key_of_its_name_an_amount_never(tmp_path: Path) -> None:
    told = api("POST", "/run", '{"task": 3, "left": 2}', "{}")
    calls = [told, api("POST", "/ask", "{}", '{"task": 3}'), api("POST", "/set", "{}", '{"left": 5}')]
    assert sources(profile_of(tmp_path / "told", calls)) == {"post-run": ["3"]}
    fetched = [api("GET", "/cart/1", '{"weight": 3}'), api("PUT", "/cart/1", "{}", '{"weight": 3}')]
    assert sources(profile_of(tmp_path / "fetched", fetched)) == {}
    chosen: list[Call] = [
        api("POST", "/cart", '{"quantity": 3}', '{"quantity": 3}'),
        api("PUT", "/other", "{}", '{"quantity": 3}'),
    ]
    assert sources(profile_of(tmp_path / "chosen", chosen)) == {}


def test_a_bare_id_counts_what_the_nearest_key_names(tmp_path: Path) -> None:
    listed = '[{"id": 1, "author": {"id": 4}}, {"id": 4, "author": {"id": 1}}]'
    profile = profile_of(tmp_path, [api("GET", "/api/books/", listed), api("GET", "/api/books/4/", "{}")])
    assert [e.json_ for e in profile.steps[0].extract.values()] == ["[1].id"]


def test_a_document_in_a_page_says_itself_what_it_counts(tmp_path: Path) -> None:
    boot = """<div data-boot='{"widget": {"id": 4}}'></div>"""
    calls = [get("/pages/", boot), get("/pages/new", '<a href="/pages/4/">Four</a>'), get("/pages/4/", "<p>Four</p>")]
    assert sources(profile_of(tmp_path, calls)) == {"get-pages-new": ["4"]}


SELECT = "<select name=grp><option value=6>Friends<option value=7>Work</select>"


@pytest.mark.parametrize(
    ("page", "query", "taken"),
    [
        (SELECT, "_flt_0_grp=7", ["7"]),
        (SELECT, "grp__id__exact=7", ["7"]),
        (SELECT, "page=7", []),
        (SELECT, "width=7", []),
        ("<select name=grp><option>6<option>7</select>", "_flt_0_grp=7", []),
        ('<a href="/authors/7/">Borges</a>', "filter[author]=7", ["7"]),
    ],
)
def test_a_filter_takes_its_number_from_what_it_is_about(
    tmp_path: Path, page: str, query: str, taken: list[str]
) -> None:
    profile = profile_of(tmp_path, [get("/new", page), get(f"/list?{query}", "<p>rows</p>")])
    assert sources(profile).get("get-new", []) == taken


NEIGHBOUR = '<table><tr><td>Rex<td><a href="/pet/{0}/7">go</a></table>'


@pytest.mark.parametrize(
    ("page", "taken"),
    [
        (NEIGHBOUR.format("edit"), ["7"]),
        ("<a href='#' onclick=\"drop('/pet/delete/7')\">x</a>", ["7"]),
        ('<a href="/tag/edit/7">go</a>', []),
        ('<a href="/pet/edit/77">go</a>', []),
    ],
)
def test_an_address_is_made_of_its_neighbour(tmp_path: Path, page: str, taken: list[str]) -> None:
    profile = profile_of(tmp_path, [get("/pet/", page), form("/pet/delete/7", "sure=1")])
    assert sources(profile).get("get-pet", []) == taken


ROWS = """<table><tr data-sa-pk=2><td><a href="/author/view?pk=2">Ann</a> <a href="/post/view?pk=2">Two</a></table>"""


@pytest.mark.parametrize("name", ["pk", "pks", "pks%5B%5D"])
def test_a_list_of_ids_takes_them_from_links_to_the_same_thing(tmp_path: Path, name: str) -> None:
    profile = profile_of(tmp_path, [get("/post/list", ROWS), api("GET", f"/api/post/find?{name}=2", "{}")])
    (extract,) = profile.steps[0].extract.values()
    assert extract.was == "2"
    assert "post/view" in (extract.regex or "")


def test_an_attribute_may_have_the_letters_of_its_library_before_it(tmp_path: Path) -> None:
    page = "<table><tr data-sa-pk=2><td>Two</table>"
    assert sources(profile_of(tmp_path, [get("/post/list", page), get("/post/2", "<p>Two</p>")])) == {
        "get-post-list": ["2"]
    }


@pytest.mark.parametrize(
    ("page", "taken"),
    [
        ("<script>var order = {id: 7, ref: 'x'};</script>", ["7"]),
        ('<b data-order-id="7">x</b>', ["7"]),
        ("<script>var basket = {id: 7};</script>", []),
        ('<b data-id="7">x</b>', []),
    ],
)
def test_a_key_that_is_a_noun_takes_only_what_has_that_noun(tmp_path: Path, page: str, taken: list[str]) -> None:
    profile = profile_of(tmp_path, [get("/o", page), api("POST", "/notes", "{}", '{"order": 7, "qty": 7}')])
    assert sources(profile).get("get-o", []) == taken
    assert '"qty": 7' in (profile.steps[1].json_ or "")


def test_a_random_key_is_told_by_the_clients_text_under_it(tmp_path: Path) -> None:
    keys = ("53fe05e3-a6e8-4a84-afb6-cee958fc3229", "69875adc-d465-410f-b205-8a3df4d82a20")
    stock = f'{{"{keys[0]}": {{"name": "oat milk"}}, "{keys[1]}": {{"name": "green tea"}}}}'
    calls = [form("/add", "name=green+tea"), api("GET", "/stock", stock), api("GET", f"/stock/{keys[1]}", "{}")]
    (extract,) = profile_of(tmp_path, calls).steps[1].extract.values()
    assert "green" in (extract.regex or "")
    swapped = f'{{"{keys[1]}": {{"name": "green tea"}}, "{keys[0]}": {{"name": "oat milk"}}}}'
    assert evaluate(extract, Answer(200, [JSON], swapped)) == keys[1]


def test_the_number_of_an_rpc_request_is_the_client_s(tmp_path: Path) -> None:
    ask = '{"jsonrpc": "2.0", "id": 7, "method": "pack", "params": {"id": 7}}'
    profile = profile_of(tmp_path, [api("POST", "/boxes", '{"id": 7, "name": "Toys"}'), api("POST", "/rpc", "{}", ask)])
    assert (profile.steps[1].json_ or "").startswith('{"jsonrpc": "2.0", "id": 7, "method"')
    assert "{{ steps.post-boxes." in (profile.steps[1].json_ or "")
