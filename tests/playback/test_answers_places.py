"""Temporary folders and ids in base64: new in every instance, the same throughout one."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from assembler.shapes import counted_token, looks_opaque
from playback.answers import Comparer
from playback.bijection import Bijection, Moment

FIRST, SECOND, THIRD = "/tmp/shop-zju_bb3x", "/tmp/shop-ab34wxyz", "/tmp/shop-qqqq0000"


def row(number: int) -> str:
    return base64.b64encode(f"[{number}]".encode()).decode()


class Replay:
    """Answers compared one after the other under one bijection. Each returns where it differs."""

    def __init__(self) -> None:
        self.bijection = Bijection(set)

    def json(self, recorded: Any, live: Any) -> list[str]:
        return self.body("application/json", json.dumps(recorded), json.dumps(live))

    def body(self, media_type: str, recorded: str, live: str) -> list[str]:
        now = time.time()
        comparer = Comparer(self.bijection, Moment(now, now), "step")
        comparer.body(media_type, recorded.encode(), live.encode())
        comparer.settle()
        return [m.where for m in comparer.mismatches]


@pytest.mark.parametrize("text", ["{0}/x.db", "stored in {0}", "{0}", "file://{0}/a/b.txt", "/var{0}/x.db"])
def test_a_temporary_folder_is_another_in_each_instance(text: str) -> None:
    replay = Replay()
    assert replay.json({"path": text.format(FIRST)}, {"path": text.format(SECOND)}) == []
    assert replay.json({"path": text.format(FIRST)}, {"path": text.format(THIRD)}) == ["body:/path"]


def test_what_is_in_the_folder_stays_and_so_does_its_prefix() -> None:
    assert Replay().json({"path": f"{FIRST}/x.db"}, {"path": f"{SECOND}/y.db"}) == ["body:/path"]
    assert Replay().json({"path": FIRST}, {"path": "/tmp/barn-ab34wxyz"}) == ["body:/path"]
    assert Replay().json({"path": "/srv/shop/zju_bb3x"}, {"path": "/srv/shop/ab34wxyz"}) == ["body:/path"]


def test_a_port_of_this_machine_is_another_in_each_instance() -> None:
    replay, text = Replay(), "[0] redis://127.0.0.1:{0}, 5 jobs"
    assert replay.json({"at": text.format(36349)}, {"at": text.format(6379)}) == []
    assert replay.json({"at": text.format(36349)}, {"at": text.format(6380)}) == ["body:/at"]
    assert Replay().json({"at": "localhost:36349 has 12000"}, {"at": "localhost:45587 has 12001"}) == ["body:/at"]
    assert Replay().json({"at": "redis.example.org:6379"}, {"at": "redis.example.org:6380"}) == ["body:/at"]


def test_numbers_in_base64_are_counted_ids() -> None:
    replay = Replay()
    links = '<a href="/row/{}/">a</a><a href="/row/{}/">b</a><p>row {} added</p>'
    assert replay.body("text/html", links.format(row(1), row(2), 2), links.format(row(8), row(9), 9)) == []
    # The same rows again, the other way round; and a number that is no id of either.
    assert replay.body("text/html", links.format(row(1), row(2), 2), links.format(row(9), row(8), 8)) != []
    assert replay.body("text/html", links.format(row(1), row(2), 2), links.format(row(8), row(9), 7)) == ["body:text 3"]


def test_an_id_that_was_sent_back_tells_of_its_number() -> None:
    replay = Replay()
    replay.bijection.know(row(2), row(9))
    assert replay.body("text/html", "<p>row 2 saved</p>", "<p>row 9 saved</p>") == []
    assert replay.body("text/html", "<p>row 2 saved</p>", "<p>row 8 saved</p>") != []


@pytest.mark.parametrize("word", ["Wyatt", "Wzord", "Wyoming", "WyJhYmMiXQ==", "WzE=", "Wembley2"])
def test_words_are_no_ids_in_base64(word: str) -> None:
    assert counted_token(word) is None
    assert not looks_opaque(word)


FILES = {"iKtAUtHU": ("a.py", 22), "nLX7JWpn": ("b.csv", 30), "tEzpA2WF": ("b.csv", 30)}
LIVE = {"iKtAUtHU": "zz4TgYqP", "nLX7JWpn": "mQ2wErTy", "tEzpA2WF": "aa8BcDeF"}


def filed(names: dict[str, str], **changed: tuple[str, int]) -> dict[str, Any]:
    """Files under random names, in the order of those, each with an address that says its name."""
    made = {names[key]: {"file": changed.get(key, entry), "uri": f"/files/{names[key]}"} for key, entry in FILES.items()}
    return dict(sorted(made.items()))


@pytest.mark.parametrize("taken", [("iKtAUtHU", "nLX7JWpn", "tEzpA2WF"), ("iKtAUtHU", "tEzpA2WF"), ("nLX7JWpn", "tEzpA2WF")])
def test_random_keys_stand_for_those_that_the_client_had_from_answers(taken: tuple[str, ...]) -> None:
    def replay() -> Replay:
        one = Replay()
        for key in taken:
            one.bijection.know(key, LIVE[key], "id")
        return one

    recorded = filed({key: key for key in FILES})
    assert replay().json(recorded, filed(LIVE)) == []
    assert replay().json(recorded, filed(LIVE, iKtAUtHU=("a.py", 23))) == ["body:/iKtAUtHU/file/1"]
    assert replay().json(recorded, filed(LIVE, nLX7JWpn=("x.csv", 30)))


def test_a_key_that_is_a_word_is_no_random_one() -> None:
    replay = Replay()
    replay.bijection.know("iKtAUtHU", LIVE["iKtAUtHU"], "id")
    assert replay.json({"subtotal": 1}, {"discount": 1}) == ["body:/subtotal", "body:/discount"]
    assert replay.json({"model_7": 1}, {"model_8": 1}) == ["body:/model_7", "body:/model_8"]
