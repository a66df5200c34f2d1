"""GraphQL over HTTP (https://graphql.github.io/graphql-over-http/): ids in the arguments of a query, and in its variables.

A variable is named as its query pleases; what its value counts is said by the argument and field that it goes into.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

from assembler.slots import Slot, json_slots

__all__ = ["graphql_slots"]

_MEMBERS = {"query", "variables", "operationName", "extensions"}
_ARGUMENT = re.compile(
    r'(?P<name>[A-Za-z_]\w*)\s*:\s*(?:\$(?P<variable>\w+)|\\"(?P<string>[^"\\]*)\\"|(?P<number>-?\d+(?:\.\d+)?)(?![\w.]))'
)
"""One argument, in the query as it stands inside a JSON string."""


def graphql_slots(text: str) -> Iterator[Slot]:
    """The slots of a JSON body; where it is a GraphQL request, those of its arguments under their own names."""
    slots = list(json_slots(text))
    query = next((s for s in slots if s.name == "query" and not s.role and not s.number), None)
    if query is None or "{" not in query.value or not _is_request(text):
        yield from slots
        return
    raw = text[query.start : query.end]
    arguments = list(_ARGUMENT.finditer(raw))
    named = {m["variable"]: (m["name"], _field(raw[: m.start()])) for m in arguments if m["variable"]}
    for slot in slots:
        if slot is query:
            yield from (_literal(m, raw, query.start) for m in arguments if not m["variable"])
        elif slot.role == "variables" and slot.name in named:
            name, field = named[slot.name]
            yield replace(slot, name=name, role=field)
        else:
            yield slot


def _is_request(text: str) -> bool:
    try:
        document = json.loads(text)
    except ValueError:
        return False
    return isinstance(document, dict) and document.keys() <= _MEMBERS


def _literal(argument: re.Match[str], raw: str, offset: int) -> Slot:
    group = "string" if argument["string"] is not None else "number"
    start, end = argument.span(group)
    role = _field(raw[: argument.start()])
    return Slot("json", argument["name"], argument[group], start + offset, end + offset, role, group == "number")


def _field(before: str) -> str:
    """The noun of the field whose arguments follow `before`: `updateBook(` is about a book."""
    names = re.findall(r"(\w+)\s*\(", before)
    words = re.findall(r"[A-Z]?[a-z0-9]+", names[-1]) if names else []
    return words[-1].lower() if words else ""
