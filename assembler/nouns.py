"""What a number counts, as the words of its place say it: `/orders/7`, `order_id=7`, `{"orders": [{"id": 7}]}`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from assembler.shapes import id_like

__all__ = [
    "AMOUNTS", "ANY_NOUN", "HANDLES", "ID_ENDING", "PAGING", "VENDOR", "WRAPPERS", "Wanted", "id_name", "noun_of", "nouns_of",
    "stems_of", "words_of",
]  # fmt: skip

ID_ENDING = re.compile(r"(?:^|[-_.])(?i:ids?|pks?|uid|oid)$|(?<=[a-z])(?:Ids?|IDs?|Pk)$")
ANY_NOUN = {"", "row", "item", "object", "record", "obj", "entry", "element", "entity"}
"""What an attribute or key is called that holds the id of whatever it belongs to."""
WRAPPERS = {
    "data", "items", "results", "result", "objects", "object", "rows", "records", "list", "edges", "node", "nodes", "values",
    "content", "response", "hits", "entries", "value",
}  # fmt: skip
"""Keys of documents that name no thing."""
PAGING = {
    "pag", "limit", "offset", "siz", "per", "count", "start", "length", "draw", "version", "step", "level", "tab",
}  # fmt: skip
"""Stems of what a client chooses, whatever else it may also name."""
_OPERATORS = {
    "exact", "filter", "flt", "search", "wher", "rel", "uid", "oid", "ids", "not", "gte", "lte", "sort", "valu", "typ",
}  # fmt: skip
"""Stems of words around the noun in the name of a filter."""

AMOUNTS = {
    "qty", "quantity", "amount", "total", "pric", "cost", "sum", "rank", "position", "weight", "scor", "rating", "year", "month",
    "day", "hour", "minut", "num", "ver", "rev", "forms", "count", "siz", "length", "limit",
}  # fmt: skip
"""Stems of numbers that count or measure."""
HANDLES = {"task", "job", "run", "ticket", "process", "execution", "operation", "batch", "upload", "import", "export"}
"""What a server numbers and is asked about by nothing but the number."""
VENDOR = re.compile(r"^data-(?:[a-z]{1,2}-)?")
"""What stands before the name of a `data-` attribute; libraries put two letters of their own there (`data-bs-…`)."""

_MATRIX = re.compile(r"([\w.-]*);(?:.*;)?([\w.-]+)=")
"""A parameter in a segment of a path: `/orders;id=7`."""


@dataclass(frozen=True)
class Wanted:
    """A number in a request. `place`, `role` and `name` are its slot's; `target` is the path it was sent to."""

    place: str
    role: str
    name: str
    value: str
    target: str
    follow: str = ""
    """For a number in a path: the segment behind it."""
    fresh: bool = False
    """True when the client never sent this number under this name before."""

    @property
    def noun(self) -> str:
        """What the number counts, as far as its place says it."""
        if self.place == "path":
            segment = self.role.rstrip("/").rsplit("/", 1)[-1]
            if match := _MATRIX.fullmatch(segment):
                return noun_of(ID_ENDING.sub("", match[2])) or noun_of(match[1])
            return noun_of(segment.rstrip("("))
        return noun_of(ID_ENDING.sub("", self.key)) or noun_of(
            self.role.rsplit("/", 1)[-1] if self.place in ("json", "xml") else ""
        )

    @property
    def key(self) -> str:
        """The name as a document has it that shows one of the things: `order_id` for `order_ids[]` and `order_id__in`. What
        stands within an id is part of it: `"id": {"type": "row", "index": 7}`."""
        if self.place == "json" and id_like(within := self.role.rsplit("/", 1)[-1]) and not id_like(self.name):
            return within
        return id_name(self.name)

    @property
    def is_id(self) -> bool:
        """True where a number must be an id, by its name or as a segment of a path."""
        return self.place == "path" or id_like(self.key)

    @property
    def is_amount(self) -> bool:
        """True where the place speaks of an amount, or of what a client chooses, and of no id."""
        words = {self.noun} if self.place == "path" else words_of(self.name)
        return not words.isdisjoint(AMOUNTS | PAGING)

    @property
    def stems(self) -> frozenset[str]:
        """What the words of the name may name: `_flt_0_grp` a group, `author__id__exact` an author."""
        return stems_of(self.name)


def words_of(name: str) -> frozenset[str]:
    return frozenset(map(noun_of, re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)))


_OPERATOR = re.compile(r"(?:__|\.)(?:in|not_?in|eq|ne|exact|any)$|\[(?:in|nin|eq|ne|any)?\d*\]$", re.IGNORECASE)
"""What filters put behind a name: `id__in`, `id[in]`; and what tells members of a list apart: `ids[]`, `ids[0]`."""
_BRACKETED = re.compile(r"\w+\[([A-Za-z_][\w.-]*)\]")
_MANY = re.compile(r"(?:^|(?<=[-_.]))(ids|pks)$|(?<=[a-z])(Ids|IDs|Pks)$")


@lru_cache(4096)
def id_name(name: str) -> str:
    """What one id is called that stands in a list or filter of this name: `ids` → `id`, `filter[order_id][in]` → `order_id`.
    Other names stay as they are."""
    bare = _OPERATOR.sub("", name)
    if match := _BRACKETED.fullmatch(bare):
        bare = match[1]
    if _MANY.search(bare):
        bare = bare[:-1]
    return bare if id_like(bare) else name


@lru_cache(4096)
def stems_of(name: str) -> frozenset[str]:
    """The stems of the words in a name that may name a thing, without those that only page, filter or compare."""
    return frozenset(stem for stem in words_of(name) if len(stem) > 2 and stem not in PAGING | _OPERATORS)


def nouns_of(key: str) -> set[str]:
    """What a key may name: itself and its last word (`openOrders` names orders), as stems."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", key)
    return {noun_of(key), *(noun_of(w) for w in words[-1:])}


@lru_cache(4096)
def noun_of(word: str) -> str:
    """The stem under which one and many are alike (`box` and `boxes`, `house` and `houses`); not a word to be shown."""
    word = word.lower().strip("_-")
    if word.endswith("ies"):
        return word[:-3] + "y"
    word = word[:-1] if word.endswith("s") and not word.endswith("ss") else word
    return word[:-1] if word.endswith("e") and len(word) > 3 else word
