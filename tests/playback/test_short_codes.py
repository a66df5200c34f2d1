"""Short codes of the server's making: bound once one of their build was sent back, and a difference before that."""

from __future__ import annotations

import pytest

from assembler.shapes import code_like
from playback.bijection import Bijection, Moment
from playback.builds import same_build

MOMENT = Moment(0.0, 0.0)


@pytest.mark.parametrize("word", ["57DFIH", "aB3xY9", "k3j9q", "0f3k"])
def test_codes(word: str) -> None:
    assert code_like(word)


@pytest.mark.parametrize("word", ["h264", "mp3", "CLOSED", "draft", "Draft", "A4", "2024", "item12", "utf8", "TODO"])
def test_words_grades_and_models_are_no_codes(word: str) -> None:
    assert not code_like(word)


def test_one_code_makes_another_of_its_build() -> None:
    assert same_build("57DFIH", "PSNHZS")
    assert same_build("17:57DFIH", "24:I6AIJJ")
    assert not same_build("57DFIH", "PSNHZSABC")
    assert not same_build("57DFIH", "not found")


def knowing() -> Bijection:
    bijection = Bijection()
    bijection.expect_codes(["57DFIH"])
    bijection.know("57DFIH", "PSNHZS")
    return bijection


def problem(bijection: Bijection, recorded: str, live: str) -> str | None:
    return bijection.text(recorded, live, MOMENT).problem


def test_codes_of_a_known_build_are_bound_one_to_one() -> None:
    bijection = knowing()
    assert problem(bijection, "3:QX4T7L", "3:I6AIJJ") is None
    assert problem(bijection, "QX4T7L", "ZZZZ9Z") is not None
    assert problem(bijection, "57DFIH", "I6AIJJ") is not None


def test_a_code_of_digits_with_a_letter_is_no_number() -> None:
    bijection = knowing()
    assert problem(bijection, "NCC-26151D", "NCC-88387D") is None
    assert (
        problem(bijection, "ship NCC-26151D at 2026-11-20T10:41:06", "ship NCC-A8387D at 2026-11-20T10:41:06")
        is not None
    )
    assert problem(bijection, "ship NCC-2E1510 of 10:41:06", "ship NCC-BADCAB of 10:41:06") is None
    assert bijection.text("26151D", "88387D", MOMENT).owed == []


@pytest.mark.parametrize(
    ("recorded", "live"),
    [("took 0.14ms", "took 0.219ms"), ("took 140ms", "took 32ms"), ("QX4T7L took 0.14ms", "ZZZZ9Z took 0.2ms")],
)
def test_a_number_with_its_unit_is_no_code(recorded: str, live: str) -> None:
    bijection = knowing()
    bijection.expect_codes(["k3j9"])
    assert problem(bijection, recorded, live) is None


@pytest.mark.parametrize(("recorded", "live"), [("fkcsq8", "w0uk68"), ("banexo", "4tk2pq"), ("IOEPY", "52J2A")])
def test_what_the_server_made_may_look_like_a_word_by_chance(recorded: str, live: str) -> None:
    bijection = Bijection()
    bijection.expect_codes([f"/lists/{recorded}/", "draft"])
    assert problem(bijection, recorded, live) is None
    assert problem(bijection, f"list {recorded}", f"list {live}") is None
    assert problem(bijection, recorded, "x9y8z7") is not None
    assert problem(bijection, "draft", "final") == "differs"
    assert problem(Bijection(), recorded, live) == "differs"


def test_without_evidence_or_of_another_build_codes_differ() -> None:
    assert problem(Bijection(), "QX4T7L", "I6AIJJ") == "differs"
    assert problem(knowing(), "qx4t7l", "i6aijj") == "differs"
    assert problem(knowing(), "QX4T7", "I6AIJ") == "differs"
    assert problem(knowing(), "CLOSED", "OPENED") == "differs"


def test_a_code_that_the_client_sent_comes_back_as_it_is() -> None:
    bijection = knowing()
    bijection.own(["QX4T7L"])
    assert problem(bijection, "QX4T7L", "I6AIJJ") == "differs"


@pytest.mark.parametrize(
    ("recorded", "live"),
    [
        ("queued", "failed"),
        ("admin", "guest"),
        ("CLOSED", "OPENED"),
        ("Yes", "No"),
        ("/tmp/inr2ymqlec", "/tmp/outn_ik60mo"),
        ("PMNR-SBUN", "E9AR-Z4X"),
    ],
)
def test_one_word_taken_from_an_answer_is_not_another(recorded: str, live: str) -> None:
    assert not same_build(recorded, live)


@pytest.mark.parametrize(
    ("recorded", "live"),
    [
        ("brave-otter", "mild-tiger"),
        ("notes_AbX", "notes_QzT"),
        ("PSNHZS", "ALGSGE"),
        ("/tmp/tmpr2ymqlec", "/tmp/tmpn_ik60mo"),
        ("Qgyj7mI7MkH_", "MttCppeDRBsb"),
        ("PMNR-SBUN-ARXE", "E9AR-Z4X4-QWK3"),
    ],
)
def test_names_made_at_random_are_built_alike(recorded: str, live: str) -> None:
    assert same_build(recorded, live)
