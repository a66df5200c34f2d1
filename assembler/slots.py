"""A request taken apart into slots: the places where a value stands that may have come from an earlier answer.

Each slot knows its name and its role (the constant text around it); put together again with templates in some of
the slots, the request is what the profile stores. What holds no template keeps every byte it was recorded with.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote, quote_plus, unquote, unquote_plus

__all__ = [
    "Slot",
    "encoded",
    "json_slots",
    "name_slots",
    "nested_slots",
    "path_slots",
    "query_slots",
    "rejoin",
    "url_slots",
]


@dataclass(frozen=True)
class Slot:
    """One place in a request. `value` is decoded; `start` and `end` are offsets in the raw text it stands in."""

    place: str
    """`path`, `query`, `header`, `form`, `multipart`, `json`, `xml`, `text`."""
    name: str
    """Field, parameter, header or key; for a path segment the segment before it."""
    value: str
    start: int
    end: int
    role: str = ""
    """For path segments: the raw path before it, which is what makes `/orders/7` an order and not a page number."""
    number: bool = False
    follow: str = ""
    """For path segments: the segment behind it."""


def path_slots(path: str) -> Iterator[Slot]:
    """The segments of a raw path, matrix parameters apart."""
    position = 0
    previous = ""
    segments = re.split(r"([/;=])", path)
    for index, segment in enumerate(segments):
        end = position + len(segment)
        if segment and segment not in "/;=":
            follow = unquote("".join(segments[index + 2 : index + 3]))
            yield Slot("path", previous, unquote(segment), position, end, role=path[:position], follow=follow)
            previous = unquote(segment)
        position = end


def query_slots(query: str, place: str = "query") -> Iterator[Slot]:
    """The values (not the names) of a raw query or urlencoded form."""
    position = 0
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        if equals:
            start = position + len(name) + 1
            yield Slot(place, unquote_plus(name), unquote_plus(value), start, start + len(value))
        position += len(pair) + 1


_NAMED_ID = re.compile(
    r"(?<![A-Za-z0-9])(?:\d{1,18}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?![A-Za-z0-9])"
)


def name_slots(text: str) -> Iterator[Slot]:
    """The names in an urlencoded form that hold an id, `role` being the id: `quantity_17`, `updates[17]`.

    Numbers that count from 0 without a gap are the positions of a list (`lines-0-name`), which the client counts itself.
    """
    found: list[Slot] = []
    families: dict[str, set[int]] = {}
    position = 0
    for pair in text.split("&"):
        raw, equals, _ = pair.partition("=")
        name = unquote_plus(raw)
        ids = _NAMED_ID.findall(name.replace("_", "-")) if equals else []
        if len(ids) == 1 and ids[0] != name and name.count(ids[0]) == 1:
            found.append(Slot("name", name, name, position, position + len(raw), role=ids[0]))
            if ids[0].isdigit():
                families.setdefault(name.replace(ids[0], "#"), set()).add(int(ids[0]))
        position += len(pair) + 1
    for slot in found:
        counted = families.get(slot.name.replace(slot.role, "#"), set())
        if counted != set(range(len(counted))) or not slot.role.isdigit():
            yield slot


def url_slots(url: str) -> Iterator[Slot]:
    """The path segments and query values of an address, absolute or not, with offsets in the whole of it."""
    origin = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:(?=/)(?://[^/?#]*)?", url)
    base = origin.end() if origin else 0
    path, mark, query = url[base:].partition("#")[0].partition("?")
    for slot in path_slots(path):
        yield replace(slot, start=slot.start + base, end=slot.end + base)
    base += len(path) + len(mark)
    for slot in query_slots(query):
        yield replace(slot, start=slot.start + base, end=slot.end + base)


_JSON = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null|[{}\[\],:]')


def json_slots(text: str) -> Iterator[Slot]:
    """The string and number leaves of a JSON document, named by their key (or the key of the list they stand in).

    The `id` of a JSON-RPC request is left out: the client numbers its requests itself.
    """
    slots = list(_leaves(text))
    requests = {slot.role for slot in slots if slot.name == "jsonrpc"}
    return (slot for slot in slots if slot.name != "id" or slot.role not in requests)


def _leaves(text: str) -> Iterator[Slot]:
    stack: list[tuple[str, str]] = []
    key = ""
    awaiting_key = False
    for match in _JSON.finditer(text):
        token = match.group()
        if token == "{":
            stack.append(("{", key))
            awaiting_key = True
        elif token == "[":
            stack.append(("[", key))
            awaiting_key = False
        elif token in "}]" and stack:
            _, key = stack.pop()
            awaiting_key = False
        elif token == ",":
            awaiting_key = bool(stack) and stack[-1][0] == "{"
        elif token == ":":
            awaiting_key = False
        elif token[0] == '"':
            try:
                decoded = json.loads(token)
            except ValueError:
                continue
            if awaiting_key:
                key = decoded
            else:
                yield Slot(
                    "json", key, decoded, match.start() + 1, match.end() - 1, role="/".join(k for _, k in stack if k)
                )
        elif token not in ("true", "false", "null", ",", ":"):
            yield Slot(
                "json", key, token, match.start(), match.end(), role="/".join(k for _, k in stack if k), number=True
            )


def nested_slots(value: str) -> Iterator[Slot]:
    """The leaves of a JSON document that is the value of a field, or begins in it (`{"type":"row","index":7}.clicks`), with
    offsets in the value."""
    start = value.find("{")
    if start < 0 or (start and value[start - 1] == "{"):
        return  # no object, or a template of the application's own
    try:
        document, end = json.JSONDecoder().raw_decode(value, start)
    except (ValueError, RecursionError):
        return
    if isinstance(document, dict) and document:
        # A list around it is part of the document.
        if value[:start].strip() == "[" and value.rstrip().endswith("]"):
            start, end = 0, len(value)
        for slot in json_slots(value[start:end]):
            yield replace(slot, start=slot.start + start, end=slot.end + start)


def _json_text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]


_ENCODERS: dict[str, Callable[[str], str]] = {
    "path": lambda v: quote(v, safe="!$&'()*+,:@-._~"),
    "query": quote_plus,
    "json": _json_text,
    "xml": lambda v: html.escape(v, quote=True),
}


def encoded(place: str, text: str) -> str:
    """`text` as it is written in a slot of `place`."""
    return _ENCODERS.get(place, str)(text)


def rejoin(text: str, filled: list[tuple[Slot, list[str | object]]]) -> str:
    """`text` with the parts of each filled slot in place: literal parts encoded for their place, others as `str()`."""
    out: list[str] = []
    position = 0
    for slot, parts in sorted(filled, key=lambda item: item[0].start):
        encode = _ENCODERS.get(slot.place, str)
        out.append(text[position : slot.start])
        out.extend(encode(part) if isinstance(part, str) else str(part) for part in parts)
        position = slot.end
    out.append(text[position:])
    return "".join(out)
