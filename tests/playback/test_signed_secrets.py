"""A secret that was recorded twice may have been signed anew when it is seen again; anything else is another secret."""

from __future__ import annotations

import base64
import json

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


def jwt(**claims: object) -> str:
    """A signed token with these claims (RFC 7519)."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"{JWT}.{payload}.{SIGNATURE}{claims.get('exp')}"


def test_a_token_dated_and_signed_in_another_second_is_the_same() -> None:
    assert problem("20261120123346##" + "5f3f17ca" * 5, "20261120123347##" + "02c7f9d3" * 5) is None


def test_a_jwt_with_the_same_claims_at_another_time_is_the_same() -> None:
    assert problem(jwt(sub="ada", exp=1790000000, jti="a1"), jwt(sub="ada", exp=1790000001, jti="b2")) is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("20261120123346##" + "5f3f17ca" * 5, "20261120123346##" + "02c7f9d3" * 5),
        (jwt(sub="ada", exp=1790000000), jwt(sub="bob", exp=1790000001)),
        (jwt(sub="ada", role="user", exp=1790000000), jwt(sub="ada", role="admin", exp=1790000001)),
        (f"{PAYLOAD}.awA0GA.{SIGNATURE}", f"{PAYLOAD[::-1]}.awA0GA.{SIGNATURE}"),
        (f"{JWT}.eyJ1c2VyIjoiYWRhIn0.{SIGNATURE}", f"{JWT}.eyJ1c2VyIjoiYm9iIn0.{SIGNATURE}"),
        ("a-plain-token-of-some-length", "another-token-of-some-length"),
    ],
    ids=["another session", "another subject", "another role", "another payload", "another JWT", "another token"],
)
def test_another_secret_is_another(first: str, second: str) -> None:
    assert problem(first, second) == "is another secret than the one it was before"


def test_a_secret_that_is_the_whole_of_a_value_may_be_built_of_anything() -> None:
    assert problem('["ada", [], true].awA0GA.x', '["ada", [], true].awA0GA.x') is None
    assert problem('["ada", [], true].awA0GA.x', '["bob", [], true].awA0GA.x') is not None
    assert Bijection().text(RECORDED, "", MOMENT).problem is not None


def signed(payload: str, second: str, signature: str) -> str:
    return f"/confirm/{payload}:{second}:{signature}/"


def differs(*pairs: tuple[str, str], known: tuple[str, str] | None = None) -> bool:
    bijection = Bijection()
    if known is not None:
        bijection.know(*(text.strip("/").rpartition("/")[2] for text in known))
    return any(bijection.text(was, now, MOMENT).problem is not None for was, now in pairs)


FIRST, AGAIN = signed("MQ", "1xUPSJ", SIGNATURE), signed("MQ", "1xUPTy", LATER)


@pytest.mark.parametrize("known", [None, (FIRST, AGAIN)], ids=["met", "taken"])
def test_a_value_signed_in_an_address_may_be_signed_anew(known: tuple[str, str] | None) -> None:
    other = signed("OA", "1yABCD", SIGNATURE[::-1])
    assert not differs((FIRST, AGAIN), (FIRST, signed("MQ", "1xUPUz", SIGNATURE[::-1])), known=known)
    assert not differs((FIRST, other), (AGAIN, other))
    assert not differs((signed("Mg", "1xUPSJ", SIGNATURE), other), (FIRST, AGAIN), known=known)


def test_what_is_signed_stays_one_to_one() -> None:
    other = signed("OA", "1yABCD", LATER)
    assert differs((FIRST, AGAIN), (FIRST, other))
    assert differs((FIRST, other), (signed("Mg", "1xUPSJ", SIGNATURE), signed("OA", "1xUPTy", LATER)))
    assert differs((FIRST, FIRST.replace("/confirm/", "/refuse/")))
