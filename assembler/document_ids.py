"""Counted ids in the JSON and XML of answers: where a number stands, what that place calls it, and of what it is an id.

An id stands under a key that says so (`order_id`), in a list under its plural (`"order_ids": [7, 8]`, `"orders": [7, 8]`),
or is itself the key of an object (`"orders": {"7": …}`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from assembler.extractors import Answer
from assembler.nouns import ID_ENDING, WRAPPERS, Wanted, id_name, noun_of, nouns_of
from assembler.profile import Extract
from assembler.rpc import is_xml_rpc, rpc_leaves
from assembler.shapes import id_like
from assembler.sources import json_leaves, json_offers
from assembler.xml_texts import is_xml, leaves

__all__ = ["IdPlace", "documents", "id_places", "keyed", "names_of", "on_the_way", "same_thing"]

_MADE = {"created", "added", "inserted", "imported", "new", "saved", "updated", "changed", "deleted", "removed"}
"""Keys of lists that name what was done with their members, which makes these ids."""


@dataclass(frozen=True)
class IdPlace:
    """A place in an answer that holds a number. `names` are the keys or elements around it and, last, what it is called."""

    names: list[str]
    path: str
    """The address that gave the answer; empty for a document that a page carries, whose address says nothing of it."""
    offers: list[Extract]
    inferred: bool = False
    """True where no key says that it is an id: a member of a list of plain numbers, the key of an object."""

    @property
    def called(self) -> str:
        """What a person would call the place."""
        return self.names[-2] if self.inferred and len(self.names) > 1 else self.names[-1]


def documents(answer: Answer) -> Iterator[tuple[Extract | None, Any]]:
    """The JSON of an answer: the body itself, or what a page carries in scripts and attributes."""
    if answer.json is not None:
        yield None, answer.json
    elif answer.is_html:
        yield from answer.embedded


def id_places(answer: Answer, value: str, source_path: str, anchors: Sequence[str]) -> Iterator[IdPlace]:
    """Every place of a document that holds the number `value`."""
    for base, document in documents(answer):
        path = source_path if base is None else ""
        for where, leaf in json_leaves(document):
            if where and not isinstance(leaf, bool) and str(leaf) == value:
                names, inferred = names_of(where)
                offers = [_within(base, extract) for extract in json_offers(where, document, anchors)]
                yield IdPlace(names, path, offers, inferred)
        for where, keys in keyed(document):
            if value in keys:
                holder = [*json_offers(where, document, ())][-1].json_
                offers = [_within(base, Extract(json_=f"keys({holder})[{keys.index(value)}]"))]
                yield IdPlace([*(part for part in where if isinstance(part, str)), "id"], path, offers, True)
    if is_xml(answer.media_type, answer.text or ""):
        yield from _xml_places(answer.text or "", value, source_path)


def names_of(where: Sequence[Any]) -> tuple[list[str], bool]:
    """What the place of a leaf calls it, the keys around it first, and whether that is inferred."""
    names = [part for part in where if isinstance(part, str)]
    if list(where) == ["result"]:
        return ["id"], True  # what a method answers with, where it is a number alone
    if len(where) > 1 and where[-2:] == names[-2:] and id_like(names[-2]) and not id_like(names[-1]):
        return names[:-1], False  # `"id": {"type": "row", "index": 7}`
    if names and (isinstance(where[-1], str) or id_like(id_name(names[-1]))):
        return [*names[:-1], id_name(names[-1])], False
    return [*names, "id"], not names or names[-1].lower() not in _MADE


def keyed(document: Any) -> Iterator[tuple[list[Any], list[str]]]:
    """Every object whose keys are all numbers, with the way to it."""
    waiting: list[tuple[list[Any], Any]] = [([], document)]
    while waiting:
        where, node = waiting.pop()
        if isinstance(node, dict):
            if node and all(key.isdigit() for key in node):
                yield where, list(node)
            waiting.extend(([*where, key], value) for key, value in node.items() if isinstance(value, (dict, list)))
        elif isinstance(node, list):
            waiting.extend(
                ([*where, index], value) for index, value in enumerate(node) if isinstance(value, (dict, list))
            )


def _within(base: Extract | None, extract: Extract) -> Extract:
    return extract if base is None else base.model_copy(update={"json_": extract.json_})


def _xml_places(text: str, value: str, source_path: str) -> Iterator[IdPlace]:
    """Where a number stands as a whole text or attribute of an answer in XML."""
    called = is_xml_rpc(text)
    for leaf in rpc_leaves(leaves(text)):
        if leaf.value != value:
            continue
        name, tag = re.escape(leaf.name), re.escape(leaf.around[-1] if leaf.attribute else leaf.name)
        if called and not leaf.name:
            extract = Extract(regex=r"<value>\s*<(?:int|i4|i8)>\s*(\d+)(?![\w.])")
            yield IdPlace(["id"], source_path, [extract], True)
            continue
        begun = rf"<(?:[\w.-]+:)?{tag}(?=[\s>])"
        inside = rf"[^>]*?\s(?:[\w.-]+:)?{name}\s*=\s*[\"']" if leaf.attribute else r"[^>]*>\s*(?:<!\[CDATA\[)?\s*"
        if called:
            begun, inside = rf"<name>\s*{name}\s*</name>\s*<value>\s*", r"(?:<\w+>\s*)?"
        yield IdPlace([*leaf.around, leaf.name], source_path, [Extract(regex=rf"{begun}{inside}(\d+)(?![\w.])")])


def same_thing(place: IdPlace, wanted: Wanted) -> bool:
    """True when the place is an id's, and its noun is the one of the place that the number was sent to.

    A bare `id` counts what the nearest key around it names; with no such key, what the address of the answer names.
    """
    *around, key = place.names
    if not id_like(key):
        return False
    stem, noun = noun_of(ID_ENDING.sub("", key)), wanted.noun
    if stem:
        return stem == noun
    around = [name for name in around if name.lower() not in WRAPPERS]
    if not around and wanted.place == "path" and place.path.rstrip("/") == wanted.role.rstrip("/"):
        return True
    segments = [s for s in place.path.split("/") if not id_like(id_name(s))]
    if place.inferred:
        segments = segments[-1:]  # a list of plain numbers is told by nothing but the end of its address
    nouns = nouns_of(around[-1]) if around else {noun_of(s) for s in segments}
    return bool(noun) and noun in nouns


def on_the_way(place: IdPlace, wanted: Wanted, source_path: str) -> bool:
    """True where some key or address around the id, or ahead of its place (`/pet/edit/7`), names the same thing."""
    stem = noun_of(ID_ENDING.sub("", place.names[-1]))
    ahead = {noun_of(s) for s in wanted.role.split("/") if s} if wanted.place == "path" else {wanted.noun}
    if stem:
        return stem in ahead
    around = {n for name in place.names for n in nouns_of(name)} | {noun_of(s) for s in source_path.split("/")}
    return not ahead.isdisjoint(around - {""})
