"""A recorded request taken apart into its slots, wherever they stand: address, headers, body, names of fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from assembler.graphql import graphql_slots
from assembler.recording import Bodies, Exchange
from assembler.rpc import json_arguments, xml_slots
from assembler.shapes import SECRET
from assembler.slots import Slot, name_slots, path_slots, query_slots, url_slots
from assembler.xml_texts import is_xml

__all__ = ["canonical", "request_slots"]

_SKIPPED_HEADERS = {
    "host", "content-length", "cookie", "connection", "transfer-encoding", "user-agent", "accept", "accept-language",
    "accept-encoding", "content-type", "date", "te", "upgrade-insecure-requests", "keep-alive", "sec-fetch-mode", "sec-fetch-dest",
    "sec-fetch-site", "sec-fetch-user", "cache-control", "pragma", "dnt", "priority", "x-recorder-request", "expect",
}  # fmt: skip


def canonical(text: str) -> str:
    """`text` with every pseudonym under one kind: equality of two secrets is equality of the hex alone."""
    return SECRET.sub(r"secret-any-\1", text) if "secret-" in text else text


def request_slots(exchange: Exchange, bodies: Bodies) -> Iterator[Slot]:
    """Every slot of a request, in the order in which they are sent."""
    yield from path_slots(canonical(exchange.path))
    yield from query_slots(canonical(exchange.query))
    for name, recorded in exchange.headers:
        if name in _SKIPPED_HEADERS or name.startswith("sec-ch-"):
            continue
        value = canonical(recorded)
        if name in ("origin", "referer"):
            yield from _visited(name, value)
        else:
            yield Slot("header", name, value, 0, len(value))
    body = exchange.request_body
    if not body:
        return
    if body.get("parts") is not None:
        yield from _part_names(body["parts"])
        # Parts of one name are told apart by their number, which is what `start` counts here.
        for number, part in enumerate(body["parts"]):
            if part.get("filename") is None and part.get("text") is not None:
                text = canonical(part["text"])
                yield Slot("multipart", part["name"] or "", text, number, number)
        return
    stored = bodies.text(body)
    if stored is None:
        return
    text = canonical(stored)
    media_type = (body.get("media_type") or "").partition(";")[0].strip().lower()
    if media_type == "application/x-www-form-urlencoded":
        yield from name_slots(text)
        yield from query_slots(text, "form")
    elif media_type.endswith("json") or text.lstrip()[:1] in "{[":
        yield from json_arguments(list(graphql_slots(text)))
    elif is_xml(media_type, text):
        yield from xml_slots(text)
    else:
        yield Slot("text", "", text, 0, len(text))


def _part_names(parts: Sequence[Mapping[str, Any]]) -> Iterator[Slot]:
    """The names of a multipart body's parts, as `name_slots` gives them of a form; `start` is the part's number."""
    text = "&".join(f"{quote(part['name'] or '', safe='')}=" for part in parts)
    for slot in name_slots(text):
        number = text.count("&", 0, slot.start)
        yield replace(slot, start=number, end=number)


def _visited(header: str, url: str) -> Iterator[Slot]:
    """A Referer is the address of an earlier page: its path and query vary as that page's did."""
    for slot in url_slots(url):
        role = f"?{slot.name}=" if slot.place == "query" else slot.role or "/"
        yield Slot("header", header, slot.value, slot.start, slot.end, role=role)
