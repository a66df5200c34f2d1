"""The role of a counted id: what it counts, told from where it stands.

Two tables count on their own, so the order 7 and the customer 7 need not move alike. Within one role an id stands for
one live id; a role cut too fine checks less, one cut too coarse calls two right answers a contradiction.
"""

from __future__ import annotations

import re

from assembler.numbers import WRAPPERS
from assembler.shapes import pieces

__all__ = ["key_role", "place_of"]

_BARE = re.compile(r"(?:id|pk|uid|oid)", re.IGNORECASE)
_ANY = re.compile(
    r"(?:object|parent|target|item|resource|entity|record|related|node|source|row)[-_.]?(?:id|pk)", re.IGNORECASE
)
"""Ids of no telling noun: what they count depends on the place."""


def place_of(path: str) -> str:
    """An address without its ids: `/orders/17/lines/` is `/orders/#/lines`; recorded or a template of the profile."""
    path = re.sub(r"\{\{[^{}]*\}\}", "#", path.partition("?")[0])
    segments = ["#" if _varies(segment) else segment for segment in path.strip("/").split("/")]
    while segments and segments[-1] == "#":
        segments.pop()
    return "/" + "/".join(segments)


def key_role(place: str, where: str, name: str) -> str:
    """The role of an id called `name` that stands at `where` in an answer of `place`.

    `order_id` says by itself what it counts; a bare `id` counts what the keys around it name, in that place.
    """
    if not _BARE.fullmatch(name) and not _ANY.fullmatch(name):
        return f"key:{name}"
    keys = [k for k in where.partition(":")[2].split("/") if k and not k.isdigit() and k.lower() not in WRAPPERS]
    return f"key:{place}:{'/'.join(keys[:-1])}:{name}"


def _varies(segment: str) -> bool:
    return "#" in segment or any(piece.kind not in ("text", "number") for piece in pieces(segment))
