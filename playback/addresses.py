"""Addresses in answers: what is one, and what its query says."""

from __future__ import annotations

from urllib.parse import unquote_plus

from assembler.shapes import TEMPORARY

__all__ = ["is_address", "query_pairs"]


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
