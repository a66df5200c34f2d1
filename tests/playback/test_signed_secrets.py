"""A secret that was recorded twice may have been signed anew when it is seen again; anything else is another secret."""

from __future__ import annotations

import pytest

from playback.bijection import Bijection, Moment

RECORDED = "secret-csrf-dafaefce09f84300fa70489f711b90f3"
MOMENT = Moment(0.0, 0.0)
PAYLOAD, SIGNATURE, LATER = "IjYwMWJlNDAwZjgyNmVkN2ZjNyI", "1mWjbe6Qzv0T9dYxWm5c2hU3kLo", "Zp4nR8sVq1aXcE6bG0iKtM2uJwy"
JWT = "eyJhbGciOiJIUzI1NiJ9"


def problem(first: str, second: str) -> str | None:
    bijection = Bijection()
    assert bijection.text(RECORDED, first, MOMENT).problem is None
    return bijection.text(RECORDED, second, MOMENT).problem


@pytest.mark.parametrize("mark", [".", ":"])
def test_signed_a_second_later_it_is_the_same(mark: str) -> None:
    tokens = [mark.join((PAYLOAD, time, sign)) for time, sign in (("awA0GA", SIGNATURE), ("awA0GB", LATER))]
    assert problem(*tokens) is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f"{PAYLOAD}.awA0GA.{SIGNATURE}", f"{PAYLOAD[::-1]}.awA0GA.{SIGNATURE}"),
        (f"{JWT}.eyJ1c2VyIjoiYWRhIn0.{SIGNATURE}", f"{JWT}.eyJ1c2VyIjoiYm9iIn0.{SIGNATURE}"),
        ("a-plain-token-of-some-length", "another-token-of-some-length"),
    ],
    ids=["another payload", "another JWT", "another token"],
)
def test_another_secret_is_another(first: str, second: str) -> None:
    assert problem(first, second) == "is another secret than the one it was before"
