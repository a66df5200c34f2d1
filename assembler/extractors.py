"""Take a value out of an answer, as an `Extract` of the profile says.

The assembler proves each extractor on the recorded answer before it writes it; playback runs it on the live one.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import unquote

import jmespath
from jmespath.exceptions import JMESPathError
from selectolax.lexbor import LexborHTMLParser, SelectolaxError

from assembler.cookies import set_cookie_name
from assembler.profile import Extract
from recorder.jsonwalk import decode_string

__all__ = ["Answer", "evaluate", "extract_problem", "jmespath_problem", "search", "source_name", "values"]

_LINKS = ("href", "action", "src")
_ADDRESSED = re.compile(
    r"(?:formaction|(?:data-)?hx-(?:get|post|put|patch|delete)|data-(?:[\w-]*-)?(?:url|href|link|action|src|endpoint|path))"
)
"""Attributes that hold addresses for scripts (htmx among them)."""


_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*:/)?/[^\s<>\"]*")
"""A text that is an address as a whole: what is cut out of it is decoded, for it is encoded anew where it is sent."""


class Answer:
    """A response. `text` is None for binary bodies; parsed forms are made when they are asked for, and kept for a while."""

    def __init__(self, status: int, headers: Sequence[tuple[str, str]], text: str | None) -> None:
        self.status = status
        self.headers = headers
        self.text = text

    def all(self, name: str) -> list[str]:
        """Every value of the header `name` (lower case)."""
        return [value for key, value in self.headers if key.lower() == name]

    def first(self, name: str) -> str | None:
        """The first value of the header `name` (lower case)."""
        return next(iter(self.all(name)), None)

    @cached_property
    def media_type(self) -> str:
        """Lower case, without parameters."""
        return (self.first("content-type") or "").partition(";")[0].strip().lower()

    @cached_property
    def is_html(self) -> bool:
        return self.media_type in ("text/html", "application/xhtml+xml") or (
            not self.media_type and (self.text or "").lstrip()[:15].lower().startswith(("<!doctype html", "<html"))
        )

    @property
    def json(self) -> Any:
        """The parsed body, or None where it is not JSON."""
        return _json(self)

    def _parse_json(self) -> Any:
        text = (self.text or "").lstrip()
        if not text or text[0] not in '[{"-0123456789tfn' or self.is_html:
            return None
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return None

    @property
    def html(self) -> LexborHTMLParser:
        return _html(self)

    @property
    def addresses(self) -> list[tuple[str, str, str]]:
        """Tag, attribute and value of everything a page links to: links, then forms, then sources, then scripts' own."""
        return _addresses(self)

    def _find_addresses(self) -> list[tuple[str, str, str]]:
        found = [
            (node.tag or "*", attribute, node.attributes.get(attribute) or "")
            for attribute in _LINKS
            for node in self.html.css(f"[{attribute}]")
        ]
        for node in self.html.css("*"):
            for attribute, value in node.attributes.items():
                if value and attribute not in _LINKS and "/" in value and _ADDRESSED.fullmatch(attribute):
                    found.append((node.tag or "*", attribute, value))
        return found

    @property
    def embedded(self) -> list[tuple[Extract, Any]]:
        """The JSON documents that a page carries in script elements and in attributes, each with where it stands."""
        return _embedded(self)

    def _find_embedded(self) -> list[tuple[Extract, Any]]:
        found: list[tuple[Extract, Any]] = []
        for node in self.html.css("*"):
            label = node.attributes.get("id")
            which = f'{node.tag}[id="{label}"]' if label and re.fullmatch(r"[A-Za-z_-]+", label) else None
            kind = node.attributes.get("type") or ""
            if (
                node.tag == "script"
                and kind.endswith("json")
                and isinstance(document := _parsed(node.text()), (dict, list))
            ):
                found.append((Extract(css=which or f'script[type="{kind}"]', attr=None, json_="@"), document))
            for attribute, value in node.attributes.items():
                if value and value.lstrip()[:1] in ("{", "[") and isinstance(document := _parsed(value), (dict, list)):
                    found.append(
                        (Extract(css=which or f"{node.tag}[{attribute}]", attr=attribute, json_="@"), document)
                    )
        return found

    @cached_property
    def set_cookies(self) -> dict[str, str]:
        """Cookie name to value, of the answer's `Set-Cookie` headers."""
        found: dict[str, str] = {}
        for header in self.all("set-cookie"):
            found[set_cookie_name(header)] = header.partition("=")[2].partition(";")[0].strip()
        return found


_PARSED = 32
"""Answers of which the parsed form is kept: a recording may have thousands, and a tree takes ten times its text."""
_html = lru_cache(_PARSED)(lambda answer: LexborHTMLParser(answer.text or ""))
_json = lru_cache(_PARSED)(Answer._parse_json)
_addresses = lru_cache(_PARSED)(Answer._find_addresses)
_embedded = lru_cache(_PARSED)(Answer._find_embedded)


def evaluate(extract: Extract, answer: Answer) -> str | None:
    """The value `extract` finds in `answer`, decoded, or None where there is none."""
    found = values(extract, answer)
    return found[extract.nth] if 0 <= extract.nth < len(found) else None


def extract_problem(extract: Extract) -> str | None:
    """Why `extract` could take nothing out of any answer, in a few words, or None when it could."""
    if extract.nth < 0:
        return f"nth is {extract.nth}; it counts from 0"
    if extract.regex is not None:
        try:
            if re.compile(extract.regex).groups < 1:
                return f"the regex {_short(extract.regex)} has no group: put what is wanted in parentheses"
        except (re.error, RecursionError, OverflowError) as error:
            return f"{_short(extract.regex)} is no regular expression ({error})"
    if extract.css is not None:
        try:
            LexborHTMLParser("<p></p>").css(extract.css)
        except SelectolaxError:
            return f"{_short(extract.css)} is no CSS selector"
    return None if extract.json_ is None else jmespath_problem(extract.json_)


def jmespath_problem(expression: str) -> str | None:
    """Why `expression` is no JMESPath, in a few words, or None when it is."""
    try:
        jmespath.compile(expression)
    except (JMESPathError, ValueError, RecursionError) as error:
        said = str(error).splitlines()[0]
        return f"{_short(expression)} is no JMESPath ({said[:200]})"
    return None


def search(expression: str, document: Any) -> Any:
    """What JMESPath finds in `document`; None, too, where a function of it cannot take what stands there."""
    try:
        return jmespath.search(expression, document)
    except (JMESPathError, RecursionError):
        return None


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}...")


def values(extract: Extract, answer: Answer) -> list[str]:
    """Everything `extract` would match in `answer`, in document order; `nth` picks from these."""
    found = _candidates(extract, answer)
    if extract.regex is None:
        return found
    pattern = re.compile(extract.regex)
    linked = extract.attr in ("href", "action", "src") or extract.header in ("location", "link")
    return [
        value
        for text in found
        for value in _matches(pattern, text, address=linked or _ADDRESS.fullmatch(text) is not None)
    ]


def _matches(pattern: re.Pattern[str], text: str, *, address: bool) -> list[str]:
    """What the pattern's group matches. An address is also searched decoded: `&email=zoe%40example.com&key=7` holds
    `&email=zoe@example.com&key=`, and which characters an application escapes is its own affair."""
    found = _groups(pattern, text)
    if not address:
        return found
    if not found and "%" in text:
        return _groups(pattern, unquote(text))
    return [unquote(value) for value in found]


def _groups(pattern: re.Pattern[str], text: str) -> list[str]:
    """What the group matches; a string of a script is read as one: many write `\\/` for each slash."""
    found = []
    for match in pattern.finditer(text):
        if match[1] is not None:
            before, after = text[match.start(1) - 1 : match.start(1)], text[match.end(1) : match.end(1) + 1]
            quoted = before == after and before in ('"', "'", "`")
            found.append(decode_string(match[1])[0] if quoted and "\\" in match[1] else match[1])
    return found


def source_name(extract: Extract) -> str:
    """The JSON key or form field that `extract` takes its value from whole, or ''."""
    if extract.regex is not None:
        return ""
    if extract.json_ is not None:
        key = re.search(r"(?:^|\.)([A-Za-z_][A-Za-z0-9_]*)$", extract.json_)
    else:
        key = re.search(r'\[name="([^"\\]+)"\]$', extract.css or "")
    return key[1] if key else ""


def _candidates(extract: Extract, answer: Answer) -> list[str]:
    if extract.header is not None:
        return answer.all(extract.header.lower())
    if extract.cookie is not None:
        value = answer.set_cookies.get(extract.cookie)
        return [] if value is None else [unquote(value.strip('"'))]
    if extract.json_ is not None:
        documents = [answer.json] if extract.css is None else [_parsed(text) for text in _elements(extract, answer)]
        found = [search(extract.json_, document) for document in documents if document is not None]
        return [_plain(value) for value in found if value is not None]
    if extract.css is not None:
        return _elements(extract, answer)
    return [html.unescape(answer.text or "") if answer.is_html else answer.text or ""]


def _elements(extract: Extract, answer: Answer) -> list[str]:
    if answer.text is None or extract.css is None:
        return []
    values: list[str] = []
    for node in answer.html.css(extract.css):
        if extract.text is not None and extract.text not in " ".join(node.text().split()):
            continue
        if extract.attr == "outerHTML":
            values.append(html.unescape(node.html or ""))
        elif extract.attr is not None:
            if (value := node.attributes.get(extract.attr)) is not None:
                values.append(value)
        else:
            values.append(" ".join(node.text().split()))
    return values


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
