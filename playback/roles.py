"""The role of a counted id: what it counts, told from where it stands.

Two tables count on their own, so the order 7 and the customer 7 need not move alike. Within one role an id stands for
one live id; a role cut too fine checks less, one cut too coarse calls two right answers a contradiction.
"""

from __future__ import annotations

import re

from assembler.nouns import WRAPPERS, id_name
from assembler.shapes import pieces

__all__ = ["key_role", "place_of", "segment_ids"]

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


_SLUG = re.compile(
    r"(?P<before>[^\W\d_][\w-]*[^\W\d_][_-])(?P<number>\d+)|(?P<first>\d+)(?P<after>[_-][^\W\d_][\w-]*[^\W\d_])"
)
_LETTERS = 3  # of a name that a number belongs to; an abbreviation may be anything
_COUNTING = re.compile(
    r"(?:^|[_-])(?:page|step|part|version|chapter|level|size|top|last|first|year|month|week|day|hour|phase|tab|column|row|line|round|"
    r"stage|section|volume|pages|steps|parts|days|rows|items|results)[_-]?$"
)
"""Words that a number in an address counts by, rather than an id."""


def segment_ids(recorded: str, live: str) -> tuple[str, str, str] | None:
    """What a segment of two addresses is an id of, and the ids: `17` and `42`, `17.csv` and `42.csv`, and of one thing by its
    name, `emma_2` and `emma_13`. None: it holds none."""
    stem, *ending = recorded.split(".", 1)
    other, *other_ending = live.split(".", 1)
    if stem.isdigit() and other.isdigit() and ending == other_ending:
        return "", stem, other
    was, now = _SLUG.fullmatch(recorded), _SLUG.fullmatch(live)
    if was is None or now is None or (was["before"], was["after"]) != (now["before"], now["after"]):
        return None
    name = was["before"] or was["after"]
    if sum(c.isalpha() for c in name) < _LETTERS or _COUNTING.search(name):
        return None
    return "/slug", was["number"] or was["first"], now["number"] or now["first"]


def key_role(place: str, where: str, name: str) -> str:
    """The role of an id called `name` that stands at `where` in an answer of `place`.

    `order_id` says by itself what it counts; a bare `id` counts what the keys around it name, in that place.
    """
    name = id_name(name)
    if not _BARE.fullmatch(name) and not _ANY.fullmatch(name):
        return f"key:{name}"
    keys = [k for k in where.partition(":")[2].split("/") if k and not k.isdigit() and k.lower() not in WRAPPERS]
    return f"key:{place}:{'/'.join(keys[:-1])}:{name}"


def _varies(segment: str) -> bool:
    return "#" in segment or any(piece.kind not in ("text", "number") for piece in pieces(segment))
