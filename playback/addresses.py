"""Addresses in answers: what is one, and what its query says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote_plus

from assembler.shapes import SECRET, TEMPORARY, pieces

__all__ = ["is_address", "is_signature", "query_pairs", "random_parts", "signed_at"]

_SIGNATURE = re.compile(r"sig|hmac|mac$|token|auth|hash|digest|md5|key", re.IGNORECASE)


def is_address(text: str) -> bool:
    """True for a text that is an address as a whole; a temporary folder is none."""
    return (
        len(text) > 1
        and (text.startswith(("/", "http://", "https://")))
        and not any(c.isspace() for c in text)
        and len(text) < 4096
        and TEMPORARY.match(text) is None
    )


def query_pairs(query: str) -> list[tuple[str, str]]:
    """Names and values of a query or urlencoded form, decoded, in order."""
    return [
        (unquote_plus(k), unquote_plus(v)) for k, _, v in (part.partition("=") for part in query.split("&") if part)
    ]


def random_parts(recorded: str, live: str) -> list[tuple[str, str]]:
    """What was made at random in an address and what stands there now; nothing where the addresses are built differently.

    Whoever took an address from an answer took these with it, and addresses are compared by their segments.
    """
    was, now = [*pieces(recorded)], [*pieces(live)]
    alike = len(was) == len(now) and all(
        a.kind == b.kind and (a.kind != "text" or a.text == b.text) for a, b in zip(was, now, strict=True)
    )
    pairs = zip(was, now, strict=True) if alike else ()
    return [(a.text, b.text) for a, b in pairs if a.kind in ("uuid", "opaque")]


def is_signature(name: str, value: str) -> bool:
    """True for a parameter that signs the others of its address."""
    found = [*pieces(value)]
    return _SIGNATURE.search(name) is not None and (
        SECRET.fullmatch(value) is not None or (len(found) == 1 and found[0].kind == "opaque")
    )


def signed_at(pairs: Iterable[tuple[str, str]]) -> str | None:
    """The times in a query, which a signature in it covers; None where there is none."""
    return " ".join(value for _, value in pairs if [p.kind for p in pieces(value)] == ["clock"]) or None
