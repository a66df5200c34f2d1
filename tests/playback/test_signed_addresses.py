"""Addresses that are signed together with a time: in one second of the recording two answers show one signature."""

from __future__ import annotations

import json

import pytest

from playback.answers import Comparer
from playback.bijection import Bijection, Moment

THEN, NOW = 1_795_206_290, 1_795_379_090
A, B, C = "cf3519dfd3b725d00646a296a4b681d6", "7ebe5947545f9f158b3d82d96fa1aaf7", "926c4fbd58ea1869c62d23b87645f253"
SECRET = "secret-token-0123456789abcdef0123456789abcdef"
KEY = "bX7pQ2kV9sTz4LmN8wRj"


class Replay:
    """Answers with one address each, compared one after the other. Each says whether it agrees."""

    def __init__(self, name: str, digests: frozenset[str] = frozenset()) -> None:
        self.name, self.bijection = name, Bijection(lambda: digests)

    def agrees(self, was: tuple[int, str], now: tuple[int, str], path: str = "/files/1") -> bool:
        recorded, live = (
            json.dumps({"url": f"{path}?expires={at}&{self.name}={key}"}).encode() for at, key in (was, now)
        )
        comparer = Comparer(self.bijection, Moment(THEN, NOW), "step")
        comparer.body("application/json", recorded, live)
        comparer.settle()
        return not comparer.mismatches


@pytest.mark.parametrize("name", ["signature", "sig", "token", "X-Amz-Signature", "hmac"])
@pytest.mark.parametrize("key", [A, SECRET], ids=["digits", "secret"])
def test_a_second_later_it_is_signed_anew(name: str, key: str) -> None:
    replay = Replay(name)
    assert replay.agrees((THEN, key), (NOW, B))
    replay.bijection.know(key, B, "url")  # what the client took from it
    assert replay.agrees((THEN, key), (NOW + 1, C))


def test_at_one_time_it_is_one_signature_and_another_address_has_another() -> None:
    replay = Replay("signature")
    assert replay.agrees((THEN, A), (NOW, B))
    assert not replay.agrees((THEN, A), (NOW, C))
    assert not replay.agrees((THEN, C), (NOW, B), path="/files/2")


@pytest.mark.parametrize("live", ["", "none", B[:20], KEY])
def test_a_signature_of_another_build_is_none(live: str) -> None:
    assert not Replay("signature").agrees((THEN, A), (NOW, live))


def test_what_says_what_is_in_a_file_is_no_signature() -> None:
    assert not Replay("hash", frozenset({A})).agrees((THEN, A), (NOW, B))
    assert not Replay("folder").agrees((THEN, A), (NOW, B))


def test_without_a_time_it_stays_the_same() -> None:
    replay = Replay("signature")
    assert replay.agrees((12, KEY), (12, KEY[::-1]))
    assert not replay.agrees((12, KEY), (12, KEY.swapcase()))
