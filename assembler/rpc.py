"""Calls of methods through one address: JSON-RPC (https://www.jsonrpc.org/specification) and XML-RPC (http://xmlrpc.com/spec.md).

The address says nothing of what a call is about; the name of its method does: `ship.rename` and `getShip` are about ships.
Of arguments without names the first that is a number is the id of such a thing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from assembler.nouns import AMOUNTS, noun_of
from assembler.slots import Slot
from assembler.xml_texts import Leaf, leaves

__all__ = ["called_path", "is_xml_rpc", "json_arguments", "method_noun", "rpc_leaves", "xml_slots"]

_ROOTS = ("methodCall", "methodResponse")


def method_noun(method: str) -> str:
    """What a method is about; empty where its name does not say so, or says that it counts."""
    *objects, last = method.split(".")
    words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", last)
    if not {noun_of(word) for word in words}.isdisjoint(AMOUNTS):
        return ""
    return (words[-1] if len(words) > 1 else objects[-1] if objects else "").lower()


def called_path(path: str, slots: Sequence[Slot]) -> str:
    """The address of a request, and behind it what the one method that it calls is about."""
    methods = [s for s in slots if s.place == "xml" and s.name == "methodName"]
    if any(s.name == "jsonrpc" for s in slots):
        methods += [s for s in slots if s.place == "json" and s.name == "method" and not s.role]
    noun = method_noun(methods[0].value) if len(methods) == 1 else ""
    return f"{path.rstrip('/')}/{noun}" if noun else path


def json_arguments(slots: Sequence[Slot]) -> Iterator[Slot]:
    """The slots of a JSON document, the first number among the unnamed arguments of a call under the name of its id."""
    nouns = {s.role: method_noun(s.value) for s in slots if s.name == "method"} if _calls(slots) else {}
    for slot in slots:
        around = slot.role.removesuffix("params").rstrip("/")
        if slot.name == "params" and slot.number and slot.role.endswith("params") and nouns.get(around):
            yield replace(slot, name=f"{nouns.pop(around)}_id")
        else:
            yield slot


def _calls(slots: Sequence[Slot]) -> bool:
    return any(s.name == "jsonrpc" for s in slots)


def is_xml_rpc(text: str) -> bool:
    """True for a call or an answer of XML-RPC."""
    return re.match(r"\s*(?:<\?[^>]*\?>\s*)?<method(?:Call|Response)[\s>]", text) is not None


def rpc_leaves(found: Iterable[Leaf]) -> Iterator[Leaf]:
    """The leaves of a document; those of XML-RPC under the names of their members instead of those of their types."""
    members: list[str] = []
    noun = ""
    for leaf in found:
        around = (*leaf.around, leaf.name)
        depth = around.count("member")
        if around[0] not in _ROOTS or "param" not in around:
            noun = method_noun(leaf.value) if leaf.name == "methodName" else noun
            yield leaf
        elif around[-2:] == ("member", "name"):
            members[depth - 1 :] = [leaf.value]
        elif depth:
            yield leaf._replace(around=tuple(members[: depth - 1]), name=members[depth - 1])
        elif noun and leaf.value.isdigit() and "array" not in around:
            yield leaf._replace(around=(), name=f"{noun}_id")
            noun = ""
        else:
            yield leaf._replace(around=(), name="")


def xml_slots(text: str) -> Iterator[Slot]:
    """The texts and attributes of a document as slots, named by their element, attribute or member."""
    for leaf in rpc_leaves(leaves(text)):
        if leaf.name != "xmlns":
            place = "text" if leaf.raw else "xml"  # a CDATA section escapes nothing
            yield Slot(
                place,
                leaf.name,
                leaf.value,
                leaf.start,
                leaf.end,
                role="/".join(leaf.around),
                number=leaf.value.isdigit(),
            )
