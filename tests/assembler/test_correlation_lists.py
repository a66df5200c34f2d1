"""Counted ids in lists, as the keys of objects, in filters, and in JSON that is the value of a field."""

from __future__ import annotations

from pathlib import Path

import pytest

from assembler.profile import Profile, Step
from tests.assembler.recorded import Call, api, form, get, profile_of
from tests.assembler.test_correlation_numbers import sources

ORDERS = '[{"id": 41, "rank": 7}, {"id": 42, "rank": 8}]'


def last(profile: Profile) -> Step:
    return profile.steps[-1]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/orders/import", '{"order_ids": [41, 42, 43]}'),
        ("/orders/import", '{"orders": [41, 42, 43]}'),
        ("/orders/import", '{"created": [41, 42, 43], "took": 3}'),
        ("/orders/ids", "[41, 42, 43]"),
        ("/orders", '{"orders": {"41": {"name": "Ann"}, "42": {"name": "Bob"}}}'),
    ],
)
def test_an_id_is_taken_from_a_list_or_from_a_key(tmp_path: Path, path: str, answer: str) -> None:
    profile = profile_of(tmp_path, [api("POST", path, answer, "{}"), api("GET", "/orders/42", '{"id": 42}')])
    assert [taken for (taken,) in sources(profile).values()] == ["42"]
    assert "{{ steps." in (last(profile).path or "")


@pytest.mark.parametrize(
    "answer", ['{"scores": [41, 42]}', '{"lines": {"41": 1, "42": 2}}', '{"order_ids_seen": 42}', '{"results": [42]}']
)
def test_a_number_in_a_list_of_something_else_is_no_source(tmp_path: Path, answer: str) -> None:
    sent = [api("GET", "/orders/42", "{}"), api("POST", "/orders/close", "{}", '{"id": 42}')]
    assert sources(profile_of(tmp_path, [api("POST", "/totals", answer, "{}"), *sent])) == {}


@pytest.mark.parametrize("body", ['{"ids": [41, 42]}', '{"order_ids": [41, 42]}', '{"orderIds": ["41", "42"]}'])
def test_ids_are_sent_in_a_list(tmp_path: Path, body: str) -> None:
    profile = profile_of(tmp_path, [api("GET", "/orders", ORDERS), api("POST", "/orders/archive", "{}", body)])
    assert sources(profile) == {"get-orders": ["41", "42"]}
    assert (last(profile).json_ or "").count("{{ steps.get-orders.") == 2


@pytest.mark.parametrize(
    "query",
    [
        "ids=41,42",
        "ids[]=41&ids[]=42",
        "id__in=41&id__in=42",
        "filter[order_id]=41&order_id[in]=42",
        "order_id__in=41,42",
    ],
)
def test_ids_are_sent_in_a_filter(tmp_path: Path, query: str) -> None:
    profile = profile_of(tmp_path, [api("GET", "/orders", ORDERS), api("GET", f"/orders?{query}", "[]")])
    assert sources(profile) == {"get-orders": ["41", "42"]}


@pytest.mark.parametrize("query", ["ranks=7,8", "rank__in=7", "filter[rank]=8", "page[size]=41", "limit=42"])
def test_other_numbers_of_a_filter_are_the_clients_own(tmp_path: Path, query: str) -> None:
    assert sources(profile_of(tmp_path, [api("GET", "/orders", ORDERS), api("GET", f"/orders?{query}", "[]")])) == {}


@pytest.mark.parametrize("path", ["/orders;id=42/lines", "/Orders(42)/Lines"])
def test_an_id_stands_behind_its_noun_in_one_segment(tmp_path: Path, path: str) -> None:
    calls = [api("GET", "/Orders", '{"value": [{"Id": 41}, {"Id": 42}]}'), api("GET", path, "[]")]
    assert sources(profile_of(tmp_path, calls)) == {"get-orders": ["42"]}


@pytest.mark.parametrize("path", ["/orders;page=42/lines", "/Top(42)/Lines"])
def test_what_a_segment_counts_by_is_no_id(tmp_path: Path, path: str) -> None:
    calls = [api("GET", "/Orders", '{"value": [{"Id": 41}, {"Id": 42}]}'), api("GET", path, "[]")]
    assert sources(profile_of(tmp_path, calls)) == {}


NESTED = [
    api("POST", "/queue", "{}", r'{"body": "{\"order_id\": 42, \"rank\": 42}"}'),
    form("/queue", "body=%7B%22order_id%22%3A+42%2C+%22rank%22%3A+42%7D"),
    get("/queue?body=%7B%22order_id%22%3A42%2C%22rank%22%3A42%7D", ""),
    api("POST", "/queue", "{}", r'{"changed": ["{\"order_id\":42,\"rank\":42}.clicks"]}'),
]


@pytest.mark.parametrize("sent", NESTED)
def test_the_value_of_a_field_may_be_a_document_of_its_own(tmp_path: Path, sent: Call) -> None:
    profile = profile_of(tmp_path, [api("GET", "/orders", ORDERS), sent])
    assert sources(profile) == {"get-orders": ["42"]}
    written = last(profile).model_dump_json()
    assert written.count("{{ steps.get-orders.") == 1
    assert "42" in written.split("rank")[1]


@pytest.mark.parametrize("text", ["{42}", "{{ order_id }} 42", '{"order_id": 42', "{order_id: 42}"])
def test_what_is_no_document_stays_as_it_is(tmp_path: Path, text: str) -> None:
    sent = Call(
        "POST", "/queue", "{}", sent=[("content-type", "application/x-www-form-urlencoded")], body=f"note={text}"
    )
    assert sources(profile_of(tmp_path, [api("GET", "/orders", ORDERS), sent])) == {}


def test_an_id_may_have_parts_and_come_again_in_a_text(tmp_path: Path) -> None:
    rows = '{"rows": [{"id": {"type": "order", "index": 41}}, {"id": {"type": "order", "index": 42}}]}'
    click = r'{"clicked": {"id": {"type": "order", "index": 42}, "count": 42}, "by": "{\"index\":42,\"type\":\"order\"}.n"}'
    profile = profile_of(tmp_path, [api("GET", "/rows", rows), api("POST", "/click", "{}", click)])
    assert sources(profile) == {"get-rows": ["42"]}
    assert (last(profile).json_ or "").count("{{ steps.get-rows.") == 2
    assert '"count": 42' in (last(profile).json_ or "")
