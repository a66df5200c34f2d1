"""Which answers may tell where a counted id came from: an index, so that a number in a request need not be looked for in
every page that was ever seen.

A number is filed under the stems of the words that its place says it with: the segment before it in an address, the name
of its parameter, field, attribute or variable, the keys around it in a document. What is filed is more than what proves
anything (`assembler.numbers` decides); what is not filed could prove nothing. A number that goes on from letters
(`disturbed9002`) is part of a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote

from assembler.document_ids import documents, keyed, names_of
from assembler.extractors import Answer
from assembler.nouns import ANY_NOUN, HANDLES, ID_ENDING, VENDOR, Wanted, noun_of, nouns_of, stems_of
from assembler.rpc import rpc_leaves
from assembler.shapes import id_like
from assembler.sources import json_leaves, urls_in
from assembler.xml_texts import is_xml, leaves

__all__ = ["mentioned", "sought"]

Mention = tuple[str, str]
"""The stem of a word and a number. Instead of a stem: `*`, any word; `+`, a number alone; `name:…`, a whole name; `/…`, what
follows in an address; `@…`, the address of the answer."""

_SEGMENT = re.compile(r"([A-Za-z_-]*)[^A-Za-z0-9_-]*(?<![A-Za-z0-9])(\d{1,18})(?![A-Za-z0-9_])")
_PARAMETER = re.compile(r"[?&;]([^=&;#?]+)=(\d{1,18})(?![^&#;])")
_NEIGHBOUR = re.compile(r"([A-Za-z_-]*)/[A-Za-z_-]+/(\d{1,18})(?!\w)")
_FOLLOWED = re.compile(r"/(\d{1,18})/([^/?#\s]{8,})")
_WRITTEN = re.compile(r"([A-Za-z][A-Za-z_-]*/?|/)(?<![A-Za-z0-9])(\d{1,18})(?!\w)")
_CONTROL = re.compile(r"<(?:input|select|button|textarea)\b", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""\s(data-[\w.:-]+|id)\s*=\s*["']?([A-Za-z_-]*?)(?<![A-Za-z0-9])(\d{1,18})(?=["'\s>])""")
_SCRIPT = re.compile(r"<script\b[^>]*>(.*?)</script", re.DOTALL | re.IGNORECASE)
_ASSIGNED = re.compile(r"""([A-Za-z_][\w-]*)["']?\s*[:=]\s*["']?(\d{1,18})(?![\w.])""")
_NESTED = re.compile(r"""([A-Za-z_]\w*)["']?\s*[:=]\s*\{[^{}]*?\b(?:id|pk)["']?\s*:\s*["']?(\d{1,18})(?![\w.])""")
_CARRIES_JSON = re.compile(r"""=\s*["']?\s*[\[{]|json["']?[\s>]""")
_LEAD = re.compile(r"([A-Za-z_-]+)[^A-Za-z0-9_-]*$")


def mentioned(answer: Answer, source_path: str) -> Iterator[Mention]:
    """What an answer, given to a request for `source_path`, may prove of numbers. The same may come more than once."""
    for _, url in urls_in(answer):
        yield from _in_address(url)
    if answer.is_html:
        yield from _in_page(answer)
    if is_xml(answer.media_type, answer.text or ""):
        yield from _in_xml(answer.text or "", source_path)
    for base, document in documents(answer) if answer.json is not None or _carries_json(answer) else ():
        yield from _in_document(document, source_path if base is None else "")


def sought(wanted: Wanted) -> Iterator[str]:
    """Under which words evidence for a number may be filed."""
    yield wanted.noun
    yield "+"
    if wanted.is_id:
        yield "*"
    if wanted.place == "path":
        role = unquote(wanted.role)
        yield noun_of(lead) if (lead := _lead(role)) else ""
        yield from (noun_of(segment) for segment in role.split("/") if segment)
        yield "^" + noun_of(_lead(role.rstrip("/").rpartition("/")[0]))
        yield "@" + wanted.role.rstrip("/")
        if wanted.follow:
            yield "/" + wanted.follow
    else:
        yield from stems_of(wanted.name)
        yield from {"name:" + _plain_name(wanted.name), "name:" + _plain_name(wanted.key)}


def _lead(text: str) -> str:
    """The word that stands last in a text, when nothing but marks comes behind it."""
    match = _LEAD.search(text)
    return match[1] if match else ""


def _in_address(url: str) -> Iterator[Mention]:
    for match in _SEGMENT.finditer(url.partition("?")[0]):
        yield noun_of(match[1]), match[2]
    for match in _NEIGHBOUR.finditer(url):
        yield "^" + noun_of(match[1]), match[2]
    for match in _FOLLOWED.finditer(url):
        yield "/" + match[2], match[1]
    for match in _PARAMETER.finditer(url):
        yield "name:" + _plain_name(match[1]), match[2]
        yield from ((stem, match[2]) for stem in stems_of(match[1]))


def _in_page(answer: Answer) -> Iterator[Mention]:
    text = answer.text or ""
    for match in _WRITTEN.finditer(text):
        yield noun_of(match[1].rstrip("/")), match[2]
    for match in _ATTRIBUTE.finditer(text):
        attribute, before, number = match[1].lower(), match[2], match[3]
        if attribute == "id":
            stem, bare = noun_of(before), True
        else:
            stem = noun_of(ID_ENDING.sub("", VENDOR.sub("", attribute)))
            bare = ID_ENDING.search(attribute) is not None
        yield stem, number
        if bare and stem in ANY_NOUN:
            yield "*", number
    for script in _SCRIPT.finditer(text):
        for match in _NESTED.finditer(script[1]):
            yield noun_of(match[1]), match[2]
        for match in _ASSIGNED.finditer(script[1]):
            if ID_ENDING.search(match[1]):
                yield noun_of(ID_ENDING.sub("", match[1])) or "*", match[2]
    if _CONTROL.search(text):
        yield from _in_controls(answer)


def _in_controls(answer: Answer) -> Iterator[Mention]:
    for control in answer.html.css("input[name], select[name], button[name], textarea[name]"):
        name = control.attributes.get("name") or ""
        held = [control.attributes.get("value")]
        if control.tag == "select":
            held = [option.attributes.get("value") for option in control.css("option")]
        elif control.tag == "textarea":
            held = [control.text().strip()]
        numbers = [value for value in held if value and value.isdigit() and len(value) < 19]
        for number in numbers:
            yield "name:" + _plain_name(name), number
        for stem in stems_of(name) if control.tag == "select" and numbers else ():
            yield from ((stem, number) for number in numbers)


def _carries_json(answer: Answer) -> bool:
    return answer.is_html and _CARRIES_JSON.search(answer.text or "") is not None


def _in_document(document: Any, source_path: str) -> Iterator[Mention]:
    """Leaves that are called ids. One that does not say of what counts what the keys or the address around it name."""
    elsewhere = [noun_of(segment) for segment in source_path.split("/") if segment]
    if isinstance(document, int) and 0 <= document < 10**18:
        # An answer that is nothing but the number it made.
        yield from ((word, str(document)) for word in (*elsewhere, "@" + source_path.rstrip("/"), "+"))
    for path, leaf in json_leaves(document):
        if path and isinstance(leaf, (int, str)) and not isinstance(leaf, bool):
            yield from _of_leaf(names_of(path)[0], str(leaf), source_path, elsewhere)
    for path, keys in keyed(document):
        names = [*(part for part in path if isinstance(part, str)), "id"]
        for key in keys:
            yield from _of_leaf(names, key, source_path, elsewhere)


def _in_xml(text: str, source_path: str) -> Iterator[Mention]:
    elsewhere = [noun_of(segment) for segment in source_path.split("/") if segment]
    for leaf in rpc_leaves(leaves(text)):
        yield from _of_leaf([*leaf.around, leaf.name or "id"], leaf.value, source_path, elsewhere)


def _of_leaf(names: Sequence[str], number: str, source_path: str, elsewhere: Sequence[str]) -> Iterator[Mention]:
    """`names` are the keys or elements around the leaf, and its own."""
    if not number.isdigit() or len(number) > 18:
        return
    stem = noun_of(ID_ENDING.sub("", names[-1]))
    is_id = id_like(names[-1])
    if is_id or stem in HANDLES:
        yield "name:" + _plain_name(names[-1]), number
    if is_id:
        yield "@" + source_path.rstrip("/"), number
    if is_id and stem:
        yield stem, number
    elif is_id:
        for name in names[:-1]:
            yield from ((noun, number) for noun in nouns_of(name))
        yield from ((noun, number) for noun in elsewhere)


def _plain_name(name: str) -> str:
    """A name as one of its family: numbers in it and the mark of a list left out."""
    return re.sub(r"\d+", "#", name.removesuffix("[]")).removesuffix("s")
