"""Ids in base64 in the addresses of mails: counted, so that they may move with the ids, and one to one."""

from __future__ import annotations

import pytest

from playback.bijection import Bijection, Moment
from playback.builds import same_build

SECRET = "secret-late-0ecdd1a5180f237fec1850be033a8c0b"
TOKEN = "d8y7q2-1f2e3d4c5b6a79880f1e2d3c4b5a6978"


def agrees(bijection: Bijection, recorded: str, live: str) -> bool:
    return bijection.text(recorded, live, Moment(0.0, 0.0)).problem is None


@pytest.mark.parametrize("build", ["Go to /activate/{0}/{1} now", "https://a.example/reset/{0}/{1}/", "see /r?uid={0}&token={1}"])
def test_the_number_in_it_moves_as_ids_do(build: str) -> None:
    bijection = Bijection(set)
    assert agrees(bijection, build.format("Mw", SECRET), build.format("MTA", TOKEN))  # 3 is 10
    assert not agrees(bijection, build.format("Mw", SECRET), build.format("MTE", TOKEN))  # and not 11
    assert not agrees(Bijection(set), build.format("Mw", SECRET), build.format("Zoe", TOKEN))


def test_another_word_there_is_a_difference() -> None:
    assert not agrees(Bijection(set), f"/activate/Maria/{SECRET}", f"/activate/Moritz/{TOKEN}")
    assert not agrees(Bijection(set), f"/activate/Mw/{SECRET}", f"/deactivate/MTA/{TOKEN}")


@pytest.mark.parametrize(("recorded", "live", "alike"), [("Mw", "MTA", True), ("Mw", "Zoe", False), ("MQ", "Mg", True)])
def test_what_is_taken_from_an_answer_is_one_again(recorded: str, live: str, alike: bool) -> None:
    assert same_build(recorded, live) == alike
