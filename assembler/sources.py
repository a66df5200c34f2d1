"""Where in an answer a value stands, as an extractor that finds it there again.

Structure is preferred to position: a cookie, a header, a JSON path, a form field, a link; a row is chosen by what it
says rather than by its number. Every extractor is proved on the recorded answer before it is offered.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from selectolax.lexbor import LexborNode

from assembler.extractors import Answer, values
from assembler.profile import Extract
from assembler.shapes import SECRET, Piece, pieces

__all__ = ["form_fields", "json_leaves", "json_offers", "locate", "proved", "quoted", "row_around", "urls_in"]

_HEADERS = ("location", "etag", "link", "content-location", "last-modified")


def locate(answer: Answer, value: str, anchors: Sequence[str] = (), field: str = "") -> Extract | None:
    """The best extractor for `value` in `answer`. `anchors` are texts the client made, which can tell a row from others;
    `field` is the name of the slot that receives it: a form field so named is the likeliest source."""
    for extract in _offers(answer, value, anchors, field):
        if held := proved(extract, answer, value):
            return held
    return None


def proved(extract: Extract, answer: Answer, value: str) -> Extract | None:
    """`extract` as it picks `value` from `answer`, or None where it does not find it."""
    found = values(extract, answer)
    if value not in found:
        return None
    return extract.model_copy(update={"nth": found.index(value), "was": value})


def _offers(answer: Answer, value: str, anchors: Sequence[str], field: str) -> Iterator[Extract]:
    for name in answer.set_cookies:
        yield Extract(cookie=name)
    for name in (
        *_HEADERS,
        *sorted({n for n, _ in answer.headers} - {*_HEADERS, "set-cookie", "content-type", "content-length", "date"}),
    ):
        for header in answer.all(name):
            if header == value:
                yield Extract(header=name)
            elif value in header or value in unquote(header):
                yield Extract(header=name, regex=_around(unquote(header), value))
    whole = _unescaped(answer)
    encoded = ("%" in whole and value in unquote(whole)) or ("\\" in whole and answer.json is not None)
    if value not in whole and value not in (answer.text or "") and not encoded:
        return
    if answer.json is not None:
        index = _index(answer)
        yield from _key_offers(index.rows.get(value, ()), anchors)
        for path in index.places.get(value, ()):
            yield from json_offers(path, answer.json, anchors)
        inside = [(text, paths) for text, paths in index.places.items() if value in text or value in unquote(text)]
        for text, paths in inside:
            for path in paths if text != value else ():
                for extract in json_offers(path, answer.json, anchors):
                    yield extract.model_copy(update={"regex": _around(unquote(text), value)})
    if answer.is_html:
        if field:
            yield from form_fields(answer, value, field)
        yield from _html_offers(answer, value, anchors)
    if value in whole:
        yield Extract(regex=_around(whole, value))


def _unescaped(answer: Answer) -> str:
    return html.unescape(answer.text or "") if answer.is_html else answer.text or ""


def json_leaves(document: Any, path: Sequence[Any] = ()) -> Iterator[tuple[list[Any], Any]]:
    """Every leaf of a JSON document with the keys and indices that lead to it."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from json_leaves(value, [*path, key])
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from json_leaves(value, [*path, index])
    else:
        yield list(path), document


def json_offers(path: Sequence[Any], document: Any, anchors: Sequence[str]) -> Iterator[Extract]:
    """JMESPath to the leaf at `path`: through lists by content where a client-made text tells the row, else by index."""
    if not path:
        yield Extract(json_="@")
        return
    by_index, by_content, pinned = "", "", False
    node = document
    for part in path:
        if isinstance(part, int):
            row = node[part]
            by_index += f"[{part}]"
            anchor = _telling(row, node, anchors) if len(node) > 1 else None
            if anchor is not None and not pinned:
                key, text = anchor
                by_content += f"[?{_key(key)}=={_literal(text)}] | [0]"
                pinned = True
            else:
                by_content += f"[{part}]"
            node = row
        else:
            dot = "." if by_index else ""
            by_index += dot + _key(part)
            by_content += ("." if by_content else "") + _key(part)
            node = node[part]
    if pinned:
        yield Extract(json_=by_content)
    yield Extract(json_=by_index)


@dataclass(frozen=True)
class _Index:
    """A JSON document by what it says: the places of each text or number, and the objects that each key leads to."""

    places: dict[str, list[list[Any]]]
    rows: dict[str, list[dict[str, Any]]]


@lru_cache(16)
def _index(answer: Answer) -> _Index:
    index = _Index({}, {})
    for path, leaf in json_leaves(answer.json):
        if leaf is not None and not isinstance(leaf, bool):
            index.places.setdefault(leaf if isinstance(leaf, str) else str(leaf), []).append(path)
    waiting = [answer.json]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            for key, row in node.items():
                if isinstance(row, dict):
                    index.rows.setdefault(key, []).append(row)
        waiting.extend(reversed(node if isinstance(node, list) else [*node.values()] if isinstance(node, dict) else []))
    return index


def _key_offers(rows: Iterable[dict[str, Any]], anchors: Sequence[str]) -> Iterator[Extract]:
    """An object keyed by random ids has no order to rely on: the key is told by a client-made text under it."""
    for row in rows:
        for text in (v for v in row.values() if isinstance(v, str) and v in anchors):
            told = re.escape(json.dumps(text, ensure_ascii=False))
            yield Extract(regex=rf'"([^"\s]+)"\s*:\s*\{{[^{{}}]*?{told}')


def _telling(row: Any, rows: Sequence[Any], anchors: Sequence[str]) -> tuple[str, str] | None:
    if not isinstance(row, dict):
        return None
    for key, text in row.items():
        if (
            isinstance(text, str)
            and text in anchors
            and sum(isinstance(r, dict) and r.get(key) == text for r in rows) == 1
        ):
            return key, text
    return None


def _key(key: str) -> str:
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
        return key
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def form_fields(answer: Answer, value: str, name: str, *, typed: bool = True) -> Iterator[Extract]:
    """The controls called `name`; an option of a select by what it says. Without `typed` only those that nobody types into."""
    named = _named(answer, name)
    kinds = ("",) if typed else tuple(f'[type="{kind}"]' for kind in ("hidden", "checkbox", "radio"))
    yield from (Extract(css=f"input{kind}{named}", attr="value") for kind in kinds)
    yield Extract(css=f"button{named}", attr="value")
    if typed:
        yield Extract(css=f"textarea{named}")
    for option in answer.html.css(f"select{named} option"):
        if option.attributes.get("value") == value:
            yield Extract(css=f"select{named} option", attr="value", text=" ".join(option.text().split()) or None)


def _named(answer: Answer, name: str) -> str:
    """A selector of the controls called `name`. Of a name that holds an id (`version_17`) the rest must do, unless the
    numbers of its family are positions: 0, 1, 2 …"""
    number = re.search(r"(?<![A-Za-z0-9])\d{1,18}(?![A-Za-z0-9])", name.replace("_", "-"))
    if number is None or number.group() == name:
        return f"[name={quoted(name)}]"
    before, after = name[: number.start()], name[number.end() :]
    family = "".join(f"[name{mark}={quoted(text)}]" for mark, text in (("^", before), ("$", after)) if text)
    pattern = re.compile(rf"{re.escape(before)}(\d+){re.escape(after)}")
    numbers = {
        int(match[1])
        for node in answer.html.css(family)
        if (match := pattern.fullmatch(node.attributes.get("name") or ""))
    }
    return f"[name={quoted(name)}]" if numbers == set(range(len(numbers))) else family


def _html_offers(answer: Answer, value: str, anchors: Sequence[str]) -> Iterator[Extract]:
    named: list[Extract] = []
    whole: list[Extract] = []
    within: list[Extract] = []
    for node in answer.html.css("*"):
        for attribute, text in node.attributes.items():
            if text is None or attribute in ("class", "style", "name"):
                continue
            decoded = unquote(text) if attribute in ("href", "action", "src") else text
            if value not in decoded:
                continue
            tag = node.tag or "*"
            label = next(
                (
                    a
                    for a in ("name", "property", "id")
                    if node.attributes.get(a) and value not in (node.attributes[a] or "")
                ),
                None,
            )
            css = (
                f"{tag}[{label}={quoted(node.attributes[label] or '')}]"
                if label and not _varies(node.attributes[label] or "")
                else f"{tag}[{attribute}]"
            )
            if decoded == value:
                (named if label else whole).append(Extract(css=css, attr=attribute))
            else:
                regex = _around(decoded, value)
                if row := row_around(node, anchors):
                    within.append(Extract(css=row[0], text=row[1], attr="outerHTML", regex=regex))
                within.append(Extract(css=f"{tag}[{attribute}]", attr=attribute, regex=regex))
    yield from named
    yield from whole
    yield from within


def _varies(text: str) -> bool:
    return any(piece.kind != "text" for piece in pieces(text))


def row_around(node: LexborNode, anchors: Sequence[str]) -> tuple[str, str] | None:
    """The table row or list item around `node`, when a client-made text in it tells it from its siblings."""
    parent: LexborNode | None = node
    for _ in range(6):
        parent = parent.parent if parent is not None else None
        if parent is None or parent.tag not in ("tr", "li", "article", "dl", "section", "div", "p", "td"):
            continue
        if parent.tag in ("tr", "li", "article"):
            text = " ".join(parent.text().split())
            anchor = next((a for a in anchors if a in text), None)
            return (parent.tag, anchor) if anchor else None
    return None


def quoted(text: str) -> str:
    """`text` as a string of CSS."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def urls_in(answer: Answer) -> Iterator[tuple[dict[str, str], str]]:
    """Every address in an answer with the source it can be taken from: headers, links, forms, JSON strings."""
    for name in ("location", "content-location", "link"):
        for header in answer.all(name):
            yield {"header": name}, unquote(header)
    if answer.is_html:
        for tag, attribute, address in answer.addresses:
            yield {"css": f"{tag}[{attribute}]", "attr": attribute}, unquote(address)
    elif answer.json is not None:
        for path, leaf in json_leaves(answer.json):
            if isinstance(leaf, str) and "/" in leaf:
                for extract in json_offers(path, answer.json, ()):
                    yield {"json_": str(extract.json_)}, leaf


_ANYTHING = r"[^/?#&\s\"'<>]+?"
_CODE = re.compile(r"(?<=/)(?![a-z]{3,}/|[A-Z]?[a-z]{4,}/)[A-Za-z0-9=]{1,12}(?=/$)")


def _context(text: str) -> str:
    """What stands before a value, as a pattern. A code right before it in an address (`/reset/Mg/…`) may be another one."""
    code = _CODE.search(text)
    return (
        re.escape(text) if code is None else re.escape(text[: code.start()]) + _ANYTHING + re.escape(text[code.end() :])
    )


_LONGEST_TOKEN = 400
"""Characters before a value that are cut up: what is random shows by its whole, and not by its end."""


def _last(tokens: Sequence[Piece], length: int) -> list[Piece]:
    """The last of the pieces, as many as `length` characters hold; one that varies is left whole."""
    kept: list[Piece] = []
    for piece in reversed(tokens):
        if length <= 0:
            break
        kept.append(piece._replace(text=piece.text[-length:]) if piece.kind == "text" else piece)
        length -= len(piece.text)
    return kept[::-1]


def _around(text: str, value: str) -> str:
    """A pattern for `value` by the constant text around its first occurrence in `text`."""
    start = text.index(value)
    left, right = text[max(0, start - _LONGEST_TOKEN) : start], text[start + len(value) : start + len(value) + 80]
    left = left[max(left.rfind("\n"), -1) + 1 :]
    # Alone on its line it is known by the line before.
    gap, above = (r"\s+", text[:start].rstrip()[-_LONGEST_TOKEN:]) if not left.strip() else ("", "")
    left = above[above.rfind("\n") + 1 :] if above else left
    broken = right[:1] in ("\r", "\n")
    right = right.split("\n")[0]
    tokens = _last(list(pieces(left)), 40)
    # Context that varies itself is weak; what stands between the value and the last varying piece is enough if it says something.
    for index in range(len(tokens) - 1, -1, -1):
        if tokens[index].kind != "text" and sum(len(t.text) for t in tokens[index + 1 :]) >= 6:
            tokens = tokens[index + 1 :]
            break
    lead = "".join(_context(p.text) if p.kind == "text" else _ANYTHING for p in tokens)
    if start < 40 and sum(len(t.text) for t in tokens) == start:
        lead = "^" + lead
    lead += gap if above else ""
    follow = next(iter(pieces(right)), None)
    tail = "" if right else r"\s" if broken else "$"
    if follow is not None and follow.kind == "text":
        # What the next parameter of an address is set to is another one's business: `&state=wRKsi…`.
        tail = re.escape(re.sub(r"^([?&;][^=&;\s]+=).+", r"\1", follow.text[:8]))
    if SECRET.fullmatch(value) and right[:1] in ('"', "'", "`") and text[:start].endswith(right[:1]):
        # What a secret is made of is not in the recording: it goes from quote to quote.
        return rf"{lead}((?:[^{right[0]}\\\s]|\\.)+){tail}"
    body = r"([^/?#&;\s\"'<>,)}\]]+)" if not re.search(r"[/?#&;\s\"'<>,)}\]]", value) else "(.+?)"
    if body != "(.+?)" and tail and not re.match(r"[/?#&;\s\"'<>,)}\]$\\]", tail):
        body = body.replace("]+)", "]+?)")
    return f"{lead}{body}{tail}"
