"""XML by its elements, JSON under any media type, lists that are sets, entity tags, gauges: what may differ, and what not."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from playback.answers import Comparer
from playback.bijection import Bijection, Moment
from playback.report import Masked

XML = "application/xml"
UPLOADED = "2c1743a391305fbf367df8e4f069f9f9"


class Replay:
    """Answers compared one after the other under one bijection. Each returns where it differs."""

    def __init__(self) -> None:
        self.bijection = Bijection(lambda: {UPLOADED})
        self.masked = Masked()

    def body(self, media_type: str, recorded: str, live: str) -> list[str]:
        now = time.time()
        comparer = Comparer(self.bijection, Moment(now, now), "step", masked=self.masked)
        comparer.body(media_type, recorded.encode(), live.encode())
        comparer.settle()
        return [m.where for m in comparer.mismatches]

    def json(self, recorded: Any, live: Any, media_type: str = "application/json") -> list[str]:
        return self.body(media_type, json.dumps(recorded), json.dumps(live))


def listing(*rows: tuple[str, str, int]) -> str:
    shown = "".join(
        f"<d:r><d:href>/{n}</d:href><d:getetag>{t}</d:getetag><d:size>{s}</d:size></d:r>" for n, t, s in rows
    )
    return f'<?xml version="1.0"?>\n<d:list xmlns:d="DAV:">{shown}</d:list>'


# ---------------------------------------------------------------------- XML


def test_entity_tags_move_one_to_one() -> None:
    recorded = listing(("a", "24518-17951-11", 11), ("b", "24519-17951-5", 5))
    assert Replay().body(XML, recorded, listing(("a", "9-17980-11", 11), ("b", "10-17980-5", 5))) == []
    same = listing(("a", "9-17980-11", 11), ("b", "9-17980-11", 5))
    assert Replay().body(XML, recorded, same) == ["body:/list/r/1/getetag"]
    missing = listing(("a", "9-17980-11", 11), ("b", "", 5))
    assert Replay().body(XML, recorded, missing) == ["body:/list/r/1/getetag"]


def test_a_tag_that_is_the_digest_of_an_upload_stays() -> None:
    other = "27958648a9e57fcd66ae5e31ff3359e9"
    assert Replay().body(XML, listing(("a", UPLOADED, 5)), listing(("a", other, 5))) == ["body:/list/r/getetag"]
    assert Replay().body(XML, listing(("a", f'"{UPLOADED}"', 5)), listing(("a", UPLOADED, 5))) == [
        "body:/list/r/getetag"
    ]


def test_elements_are_compared_by_name_text_and_order() -> None:
    recorded = listing(("a", "1", 1), ("b", "2", 2))
    assert Replay().body(XML, recorded, listing(("a", "1", 1), ("b", "2", 3))) == ["body:/list/r/1/size"]
    assert Replay().body(XML, recorded, listing(("b", "2", 2), ("a", "1", 1))) != []
    assert Replay().body(XML, recorded, listing(("a", "1", 1))) != []
    assert Replay().body(XML, recorded, recorded.replace("DAV:", "urn:x")) != []
    assert Replay().body(XML, recorded, "<d:list>") == ["body"]


def test_attributes_are_compared_whatever_their_order_and_indentation() -> None:
    recorded = '<a x="1" y="two"><b>text</b></a>'
    assert Replay().body(XML, recorded, '<a y="two"\n x="1">\n  <b> text </b>\n</a>') == []
    assert Replay().body(XML, recorded, '<a y="three" x="1"><b>text</b></a>') == ["body:/a/@/y"]
    assert Replay().body(XML, recorded, '<a x="1"><b>text</b></a>') == ["body:/a/@/y"]


def test_a_document_with_entities_of_its_own_is_compared_as_text() -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "bb">]>\n<a>&b;</a>'
    assert Replay().body(XML, bomb, bomb) == []
    assert Replay().body(XML, bomb, bomb.replace('"bb"', '"bc"')) != []


# ---------------------------------------------------------------------- gauges and sets


def test_gauges_of_the_machine_may_move_a_little() -> None:
    replay = Replay()
    assert replay.json({"quota-used-bytes": 25_720_647_680}, {"quota-used-bytes": 25_720_700_000}) == []
    assert replay.masked.reasons == {"gauge": 1}
    assert Replay().json({"quota-used-bytes": 25_720_647_680}, {"quota-used-bytes": 0}) != []
    assert Replay().json({"quota_used_bytes": 1_000}, {"quota_used_bytes": 1_001}) != []
    assert Replay().json({"size": 25_720_647_680}, {"size": 25_720_700_000}) != []


def test_sets_may_be_told_in_another_order_and_lists_may_not() -> None:
    assert Replay().json({"principals": ["a", "b", "c"]}, {"principals": ["b", "c", "a"]}) == []
    assert Replay().json({"permissions": {"write": ["a", "b"]}}, {"permissions": {"write": ["b", "a"]}}) == []
    assert Replay().json({"names": ["a", "b", "c"]}, {"names": ["b", "c", "a"]}) != []
    assert Replay().json({"roles": ["a", "b"]}, {"roles": ["b", "c"]}) != []
    assert Replay().json({"roles": ["a", "b"]}, {"roles": ["b", "b"]}) != []
    assert Replay().json({"roles": ["a", "b"]}, {"roles": ["b"]}) != []
    assert Replay().json({"roles": [{"n": "a"}, {"n": "b"}]}, {"roles": [{"n": "b"}, {"n": "a"}]}) != []


def test_headers_shown_in_a_batch_answer_are_lists_of_names() -> None:
    assert Replay().json({"Allow": "GET, PUT"}, {"Allow": "PUT, GET"}) == []
    assert Replay().json({"Allow": "GET, PUT"}, {"Allow": "GET"}) != []
    assert Replay().json({"Sorted": "GET, PUT"}, {"Sorted": "PUT, GET"}) != []


# ---------------------------------------------------------------------- JSON


@pytest.mark.parametrize("media_type", ["application/x-amz-json-1.0", "application/octet-stream", "text/plain", ""])
def test_json_is_compared_by_value_under_any_media_type(media_type: str) -> None:
    assert Replay().json({"a": 1, "b": 2}, {"b": 2, "a": 1}, media_type) == []
    assert Replay().json({"a": 1, "b": 2}, {"b": 3, "a": 1}, media_type) == ["body:/b"]
    assert Replay().body(media_type, '{"a": 1}', "a: 1") == ["body"]


def test_one_document_a_line() -> None:
    recorded = '{"id": 1, "name": "a"}\n{"id": 2, "name": "b"}\n'
    live = '{"name": "a", "id": 8}\n{"name": "b", "id": 9}\n'
    assert Replay().body("application/x-ndjson", recorded, live) == []
    assert Replay().body("application/x-ndjson", recorded, live.replace('"b"', '"c"')) == ["body:/1/name"]
    assert Replay().body("application/x-ndjson", recorded, live.splitlines()[0]) != []


def test_events_that_hold_documents() -> None:
    recorded = 'event: done\ndata: {"id": 1, "n": 3}\n\n'
    assert Replay().body("text/event-stream", recorded, 'event: done\ndata: {"n": 3, "id": 8}\n\n') == []
    assert Replay().body("text/event-stream", recorded, 'event: lost\ndata: {"n": 3, "id": 8}\n\n') != []
    assert Replay().body("text/event-stream", recorded, 'event: done\ndata: {"n": 4, "id": 8}\n\n') != []


# ---------------------------------------------------------------------- tokens built like digests


def test_a_token_built_like_a_digest_is_known_by_its_place() -> None:
    first, second, third = ("a9352dc7" * 8, "88fe6582" * 8, "0bb4ec04" * 8)
    replay = Replay()
    replay.bijection.know(first, second)
    assert replay.json({"token": f"http://x.org/sync/{first}"}, {"token": f"http://x.org/sync/{second}"}) == []
    assert replay.json({"token": f"http://x.org/sync/{second}"}, {"token": f"http://x.org/sync/{third}"}) == []
    taken_whole = Replay()
    taken_whole.bijection.know(f"http://x.org/sync/{first}", f"http://x.org/sync/{second}")
    assert taken_whole.json({"token": f"http://x.org/sync/{first}"}, {"token": f"http://x.org/sync/{second}"}) == []
    # Under another name, and where nothing was a token before, a digest tells of its content.
    assert replay.json({"sha": third[::-1]}, {"sha": first[::-1]}) == ["body:/sha"]
    assert Replay().json({"token": second}, {"token": third}) == ["body:/token"]


def test_the_words_that_stand_for_a_picture_are_text() -> None:
    page = '<html><body><p>Soil loss</p><img src="/map.png" alt="A map, {mean} t on average"></body></html>'
    replay = Replay()
    assert replay.body("text/html", page.format(mean="310.7"), page.format(mean="310.7")) == []
    assert replay.body("text/html", page.format(mean="310.7"), page.format(mean="401.9")) == ["body:text 2"]
