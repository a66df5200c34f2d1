"""What is spelt as no word is was made by a machine; what somebody named is not."""

from __future__ import annotations

import secrets

import pytest

from assembler.shapes import looks_opaque
from assembler.spelling import misspelt


@pytest.mark.parametrize(
    "token", ["pcUBKKuwHCXN", "wmHw-oWHnQwEdpZ8", "FMhTA_fLRXNHPkcNkMWHQ", "oDjxgNHQienc", "orbacvgTeQKNowBEMzhtXH"]
)
def test_tokens_that_hold_few_digits_or_none(token: str) -> None:
    assert misspelt(token)
    assert looks_opaque(token)


@pytest.mark.parametrize(
    "name",
    [
        "getUserById", "XMLHttpRequest", "HTMLParser", "createObjectURL", "PostgreSQL14", "OpenStreetMap", "McDonalds",
        "backgroundColor", "application2024", "report-2024-final", "user_name_17", "DateTimeField", "rhythm2024",
        "Szczepan", "wszystkie", "KRZYSZTOF", "Geschwindigkeit", "chapter12", "in_progress", "confirm-email",
    ],
)  # fmt: skip
def test_names_and_words(name: str) -> None:
    assert not misspelt(name)
    assert not looks_opaque(name)


def test_hardly_a_token_of_some_length_is_taken_for_words() -> None:
    missed = sum(not looks_opaque(secrets.token_urlsafe(16)) for _ in range(5000))
    assert missed < 50
