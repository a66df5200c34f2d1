"""Counted ids are bound within what they count: two tables may move apart, one table may not contradict itself."""

from __future__ import annotations

import json
import xmlrpc.client
from typing import Any

import pytest

from playback.answers import Comparer
from playback.bijection import Bijection, Moment
from playback.roles import segment_ids

PAGE = "text/html"


class Replay:
    """Answers compared one after the other under one bijection. Each returns where it differs."""

    def __init__(self) -> None:
        self.bijection = Bijection()

    def of(self, path: str) -> Comparer:
        return Comparer(self.bijection, Moment(0.0, 0.0), path, path=path)

    def json(self, path: str, recorded: Any, live: Any) -> list[str]:
        return self.body(path, json.dumps(recorded), json.dumps(live), "application/json")

    def body(self, path: str, recorded: str, live: str, media_type: str = PAGE) -> list[str]:
        comparer = self.of(path)
        comparer.body(media_type, recorded.encode(), live.encode())
        comparer.settle()
        return [m.where for m in comparer.mismatches]


def test_ids_of_two_collections_move_apart() -> None:
    replay = Replay()
    assert replay.json("/authors", [{"id": 1}, {"id": 2}], [{"id": 8}, {"id": 9}]) == []
    assert replay.json("/books", [{"id": 1}], [{"id": 9}]) == []
    assert replay.json("/books/{{ steps.x.id }}", {"id": 1, "author": {"id": 2}}, {"id": 9, "author": {"id": 9}}) == []


def test_ids_of_one_collection_do_not_contradict_themselves() -> None:
    replay = Replay()
    assert replay.json("/books", [{"id": 1}, {"id": 2}], [{"id": 8}, {"id": 9}]) == []
    assert replay.json("/books/{{ steps.x.id }}", {"id": 1}, {"id": 9}) == ["body:/id"]
    assert replay.json("/books?page=2", {"results": [{"id": 2}]}, {"results": [{"id": 8}]}) == ["body:/results/0/id"]


def test_an_id_that_names_its_noun_is_one_everywhere() -> None:
    replay = Replay()
    assert replay.json("/books", {"author_id": 1}, {"author_id": 8}) == []
    assert replay.json("/papers", {"author_id": 1}, {"author_id": 9}) == ["body:/author_id"]


LINK = '<a href="/{0}/edit?id={1}">edit</a><form action="/{0}/delete"><input type=hidden name=id value={1}></form>'


def test_ids_in_links_and_forms_count_what_their_address_says() -> None:
    replay = Replay()
    assert replay.body("/pets", LINK.format("pet", 1), LINK.format("pet", 8)) == []
    assert replay.body("/tags", LINK.format("tag", 1), LINK.format("tag", 9)) == []
    assert replay.body("/pets", LINK.format("pet", 1), LINK.format("pet", 9)) != []


@pytest.mark.parametrize(
    ("recorded", "live", "fine"),
    [
        (["seen_1", "sid"], ["seen_15", "sid"], True),
        (["seen_1", "seen_2"], ["seen_15", "seen_16"], True),
        (["seen_1", "sid"], ["sid"], False),
        (["seen_1"], ["seem_1"], False),
        (["v1_1"], ["v2_1"], False),
    ],
)
def test_a_cookie_may_be_named_by_an_id(recorded: list[str], live: list[str], fine: bool) -> None:
    comparer = Replay().of("/login")
    comparer.names("header:set-cookie", recorded, live)
    comparer.settle()
    assert (comparer.mismatches == []) is fine


def test_the_id_in_a_cookie_name_stays_the_same() -> None:
    replay = Replay()
    for live, fine in (("seen_15", True), ("seen_16", False)):
        comparer = replay.of("/")
        comparer.names("header:set-cookie", ["seen_1"], [live])
        assert (comparer.mismatches == []) is fine


def test_a_number_that_was_sent_back_stands_among_ids() -> None:
    replay = Replay()
    replay.bijection.know("1", "8", "task")
    assert replay.json("/jobs", {"task": 3, "left": 2}, {"task": 10, "left": 2}) == []
    assert replay.json("/jobs", {"task": 4, "left": 2}, {"task": 10, "left": 2}) == ["body:/task"]
    assert replay.json("/jobs", {"task": 5, "left": 2}, {"task": 12, "left": 3}) == ["body:/left"]


def test_a_number_inside_a_global_id_is_counted_in_its_kind() -> None:
    replay = Replay()
    book7, book14, book15, author7, author9 = "Qm9vazo3", "Qm9vazoxNA==", "Qm9vazoxNQ==", "QXV0aG9yOjc=", "QXV0aG9yOjk="
    assert replay.json("/a", {"id": book7, "by": author7}, {"id": book14, "by": author9}) == []
    assert replay.json("/b", {"x": book7}, {"x": book15}) == ["body:/x"]
    assert replay.json("/b", {"x": book7}, {"x": author9}) == ["body:/x"]
    assert replay.json("/b", {"x": "VXNlcjox"}, {"x": "VXNlcjo4"}) == []


CART = "<form action=/cart><input name='qty[{0}]' value=2></form>"


def test_an_id_in_the_name_of_a_field_is_counted() -> None:
    replay = Replay()
    assert replay.body("/cart", CART.format(4), CART.format(11)) == []
    assert replay.body("/cart", CART.format(4), CART.format(12)) == ["body:form 1 qty[4]"]
    assert replay.body("/cart", CART.format(4), CART.format("x")) == ["body:form 1 qty[4]"]


KEYS = (
    "53fe05e3-a6e8-4a84-afb6-cee958fc3229",
    "69875adc-d465-410f-b205-8a3df4d82a20",
    "7793a7dd-7093-49b5-a90a-1f2702b4da9c",
)


def _other(uuid: str) -> str:
    return uuid.replace("5", "1").replace("9", "e")


def test_random_keys_are_told_by_what_stands_under_them() -> None:
    tea, rum, oil = ({"name": n, "qty": 3} for n in ("tea", "rum", "oil"))
    live = tuple(_other(key) for key in KEYS)
    replay = Replay()
    assert (
        replay.json(
            "/stock", dict(zip(KEYS, (tea, rum, oil), strict=True)), dict(zip(live, (oil, tea, rum), strict=True))
        )
        == []
    )
    assert replay.json("/one", {"uid": KEYS[0]}, {"uid": live[1]}) == []
    assert replay.json("/one", {"uid": KEYS[0]}, {"uid": live[0]}) == ["body:/uid"]


def test_another_value_under_a_random_key_is_a_difference() -> None:
    recorded = {KEYS[0]: {"name": "tea", "qty": 3}, KEYS[1]: {"name": "rum", "qty": 3}}
    live = {_other(KEYS[1]): {"name": "rum", "qty": 3}, _other(KEYS[0]): {"name": "tea", "qty": 4}}
    assert len(Replay().json("/stock", recorded, live)) == 1


@pytest.mark.parametrize(("created", "differs"), [(True, False), (False, True)])
def test_an_answer_that_is_a_number_alone_names_what_was_made(created: bool, differs: bool) -> None:
    comparer = Comparer(Bijection(set), Moment(0.0, 0.0), "step", path="/members", created=created)
    comparer.body("application/json", b"4", b"11")
    comparer.settle()
    assert bool(comparer.mismatches) is differs


@pytest.mark.parametrize("kind", [str, int], ids=["text", "number"])
def test_numbers_too_long_to_count_anything_are_ids(kind: type[str] | type[int]) -> None:
    replay, first, second = Replay(), 2123789475711549441, 2123789485803044865
    assert replay.json("/x", {"serial": kind(first)}, {"serial": kind(second)}) == []
    assert replay.json("/x", {"serial": kind(first)}, {"serial": kind(second + 1)}) != []
    assert replay.json("/x", {"total": kind(21237894)}, {"total": kind(21237895)}) != []


def test_an_address_of_long_words_is_compared_at_all() -> None:
    """A pattern that tries every way to cut a word into words would not come back within a lifetime."""
    word = "4d" + "ab1c" * 60
    assert segment_ids(f"{word}x", f"{word}y") is None
    assert segment_ids(f"{word}x_17", f"{word}x_18") is None
    assert segment_ids(f"x{word}x_17", f"x{word}x_18") == ("/slug", "17", "18")


def test_a_list_of_ids_names_them_as_a_single_one_does() -> None:
    replay = Replay()
    assert replay.json("/orders/import", {"order_ids": [1, 2]}, {"order_ids": [8, 9]}) == []
    assert replay.json("/lines", {"order_id": 2}, {"order_id": 9}) == []
    assert replay.json("/lines", {"order_id": 1}, {"order_id": 9}) == ["body:/order_id"]


def test_the_members_of_a_list_of_ids_keep_their_order_and_their_number() -> None:
    assert Replay().json("/orders/import", {"ids": [1, 2, 3]}, {"ids": [8, 10, 9]}) == ["body:/ids/2"]
    assert Replay().json("/orders/import", {"ids": ["1", "2"]}, {"ids": ["8", "9"]}) == []
    assert Replay().json("/orders/import", {"sums": [1, 2]}, {"sums": [8, 9]}) == ["body:/sums/0", "body:/sums/1"]


def test_an_id_in_a_list_that_was_met_before_is_not_another_one() -> None:
    replay = Replay()
    assert replay.json("/orders", [{"id": 1}, {"id": 2}, {"id": 3}], [{"id": 1}, {"id": 2}, {"id": 3}]) == []
    assert replay.json("/carts/5", {"order_ids": [1, 2]}, {"order_ids": [1, 3]}) == ["body:/order_ids/1"]


def test_a_number_may_be_shown_before_the_answer_that_it_is_taken_from() -> None:
    replay = Replay()
    replay.bijection.expect_numbers(["100002", "3"])
    assert replay.body("/thanks", "<p>Your order: 100002</p>", "<p>Your order: 100013</p>") == []
    assert replay.body("/thanks", "<p>Order 100002</p>", "<p>Order 100014</p>") == ["body:text 1"]
    assert replay.body("/thanks", "<p>3 items</p>", "<p>4 items</p>") == ["body:text 1"]
    assert replay.body("/thanks", "<p>Your order: 100007</p>", "<p>Your order: 100018</p>") == ["body:text 1"]
    replay.bijection.know("100002", "100013", "href")
    assert replay.body("/orders", "<p>100002</p>", "<p>100013</p>") == []


def test_an_answer_that_showed_another_number_than_the_id_was_wrong() -> None:
    replay = Replay()
    replay.bijection.expect_numbers(["100002"])
    assert replay.body("/thanks", "<p>Your order: 100002</p>", "<p>Your order: 100013</p>") == []
    replay.bijection.know("100002", "100002", "href")
    assert replay.body("/orders", "<p>Orders</p>", "<p>Orders</p>") == ["body"]


def test_the_ids_of_xml_rpc_are_known_by_the_names_of_their_members() -> None:
    def said(number: int, tons: int = 9) -> str:
        return xmlrpc.client.dumps(({"id": number, "tons": tons},), methodresponse=True)

    replay = Replay()
    assert replay.body("/rpc", said(1), said(8), "text/xml") == []
    assert replay.body("/rpc", said(2), said(8), "text/xml") != []
    assert Replay().body("/rpc", said(1), said(1, 8), "text/xml") != []
