"""Where a counted id that a request sends was shown before. Chance equality of small numbers proves nothing.

Evidence is *sure* when the place says what the number counts and where it leads: an address that continues the path, a
link or form that leads to the same address, a key that is an id under the same noun. It is *named* when the name alone
fits, and a *guess* when only the noun does. Sure evidence of any answer goes before weaker evidence of another; of weaker
evidence the latest is best, for a client acts on what it saw last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from assembler.extractors import Answer
from assembler.links import constant_start, within_random
from assembler.profile import Extract
from assembler.shapes import id_like, looks_opaque, pieces
from assembler.sources import form_fields, json_leaves, json_offers, proved, quoted, row_around, urls_in
from assembler.xml_texts import is_xml, leaves

__all__ = [
    "ANY_NOUN", "HANDLES", "ID_ENDING", "STRENGTHS", "VENDOR", "WRAPPERS", "Strength", "Wanted", "documents", "locate_choice",
    "locate_name", "locate_number", "noun_of", "nouns_of", "stems_of",
]  # fmt: skip

ID_ENDING = re.compile(r"(?:^|[-_.])(?i:ids?|pks?|uid|oid)$|(?<=[a-z])(?:Ids?|IDs?|Pk)$")
ANY_NOUN = {"", "row", "item", "object", "record", "obj", "entry", "element", "entity"}
"""What an attribute or key is called that holds the id of whatever it belongs to."""
WRAPPERS = {
    "data", "items", "results", "result", "objects", "object", "rows", "records", "list", "edges", "node", "nodes", "values",
    "content", "response", "hits", "entries",
}  # fmt: skip
"""Keys of documents that name no thing."""
_PAGING = {
    "pag", "limit", "offset", "siz", "per", "count", "start", "length", "draw", "version", "step", "level", "tab",
}  # fmt: skip
"""Stems of what a client chooses, whatever else it may also name."""
_OPERATORS = {
    "exact", "filter", "flt", "search", "wher", "rel", "uid", "oid", "ids", "not", "gte", "lte", "sort", "valu", "typ",
}  # fmt: skip
"""Stems of words around the noun in the name of a filter."""

_AMOUNTS = {
    "qty", "quantity", "amount", "total", "pric", "cost", "sum", "rank", "position", "weight", "scor", "rating", "year", "month",
    "day", "hour", "minut", "num", "ver", "rev", "forms", "count", "siz", "length", "limit",
}  # fmt: skip
"""Stems of numbers that count or measure."""
HANDLES = {"task", "job", "run", "ticket", "process", "execution", "operation", "batch", "upload", "import", "export"}
"""What a server numbers and is asked about by nothing but the number."""
VENDOR = re.compile(r"^data-(?:[a-z]{1,2}-)?")
"""What stands before the name of a `data-` attribute; libraries put two letters of their own there (`data-bs-…`)."""

Found = tuple[Extract, str]


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
            return noun_of(self.role.rstrip("/").rsplit("/", 1)[-1])
        return noun_of(ID_ENDING.sub("", self.name)) or noun_of(
            self.role.rsplit("/", 1)[-1] if self.place in ("json", "xml") else ""
        )

    @property
    def is_id(self) -> bool:
        """True where a number must be an id, by its name or as a segment of a path."""
        return self.place == "path" or id_like(self.name)

    @property
    def is_amount(self) -> bool:
        """True where the place speaks of an amount, or of what a client chooses, and of no id."""
        words = {self.noun} if self.place == "path" else _words(self.name)
        return not words.isdisjoint(_AMOUNTS | _PAGING)

    @property
    def stems(self) -> frozenset[str]:
        """What the words of the name may name: `_flt_0_grp` a group, `author__id__exact` an author."""
        return stems_of(self.name)


def locate_number(
    answer: Answer, wanted: Wanted, source_path: str, anchors: Sequence[str], strength: Strength
) -> Found | None:
    """An extractor for the number in the answer that `source_path` gave, with its evidence, or None."""
    for extract, evidence in _EVIDENCE[strength](answer, wanted, source_path, anchors):
        if held := proved(extract, answer, wanted.value):
            return held, evidence
    return None


def locate_name(answer: Answer, name: str, identifier: str) -> Found | None:
    """An extractor for the id inside the name of a form field, from the field that the page offered."""
    if not answer.is_html:
        return None
    before, _, after = name.partition(identifier)
    group = r"(\d+)" if identifier.isdigit() else "([0-9a-fA-F-]{36})"
    extract = Extract(css="[name]", attr="name", regex=f"^{re.escape(before)}{group}{re.escape(after)}$")
    held = proved(extract, answer, identifier)
    return (held, f"the page offered a field of that name, {name}") if held else None


def locate_choice(answer: Answer, name: str, value: str) -> Found | None:
    """An extractor for what a page's own control `name` holds: hidden, ticked or chosen, never typed."""
    if not answer.is_html:
        return None
    for extract in form_fields(answer, value, name, typed=False):
        if held := proved(extract, answer, value):
            return held, f"the page's control {name} held it"
    return None


def _sure(answer: Answer, wanted: Wanted, source_path: str, anchors: Sequence[str]) -> Iterator[Found]:
    if wanted.place == "path":
        yield from _continued(answer, wanted, anchors)
        yield from _beside(answer, wanted)
    if _made(answer, wanted) and (_goes_on(wanted, source_path) or wanted.noun == _last_noun(source_path)):
        yield Extract(json_="@"), f"the answer to {source_path} was this number alone"
    if wanted.place == "query":
        yield from _linked(answer, wanted, source_path, anchors)
    if wanted.place in ("form", "multipart", "query") and answer.is_html and _has_form(answer, wanted, source_path):
        yield from _fields(answer, wanted)
    for base, document in documents(answer):
        for path in _places(document, wanted.value):
            if _same_thing(path, wanted, source_path if base is None else ""):
                for extract in json_offers(path, document, anchors):
                    yield _within(base, extract), f"the answer's {path[-1]} is an id, and its place says of what"
    for path, extract in _xml_places(answer, wanted.value):
        if _same_thing(path, wanted, source_path):
            yield extract, f"the answer's {path[-1]} is an id, and its place says of what"


def _named(answer: Answer, wanted: Wanted, source_path: str, anchors: Sequence[str]) -> Iterator[Found]:
    if wanted.place == "query":
        yield from _linked(answer, wanted, None, anchors)
    if wanted.place != "path" and answer.is_html:
        yield from _fields(answer, wanted)
    if wanted.place == "path":
        return
    for base, document in documents(answer):
        for path in _places(document, wanted.value):
            if path[-1] == wanted.name and (id_like(wanted.name) or (wanted.fresh and wanted.noun in HANDLES)):
                for extract in json_offers(path, document, anchors):
                    yield _within(base, extract), f"the answer's {path[-1]} held it"
    for path, extract in _xml_places(answer, wanted.value):
        if path[-1] == wanted.name and (id_like(wanted.name) or (wanted.fresh and wanted.noun in HANDLES)):
            yield extract, f"the answer's {path[-1]} held it"


def _guessed(answer: Answer, wanted: Wanted, source_path: str, anchors: Sequence[str]) -> Iterator[Found]:
    if wanted.place != "path":
        yield from _by_noun(answer, wanted)
    if _made(answer, wanted) and answer.status == 201 and wanted.fresh and not wanted.is_amount:
        yield Extract(json_="@"), f"the answer to {source_path} made it, and was this number alone"
    yield from _neighbours(answer, wanted, anchors)
    if answer.is_html and wanted.noun not in _PAGING:
        yield from _attributes(answer, wanted, anchors)
        yield from _assignments(answer, wanted)
    for base, document in documents(answer):
        for path in _places(document, wanted.value):
            if id_like(str(path[-1])) and (
                _on_the_way(path, wanted, source_path) or (base is None and _belongs(wanted, source_path))
            ):
                for extract in json_offers(path, document, anchors):
                    yield _within(base, extract), f"the answer's {path[-1]} is an id, and the path says of what"
    for path, extract in _xml_places(answer, wanted.value):
        if id_like(path[-1]) and _on_the_way(path, wanted, source_path):
            yield extract, f"the answer's {path[-1]} is an id, and the path says of what"


Strength = Literal["sure", "named", "guessed"]
STRENGTHS: tuple[Strength, ...] = ("sure", "named", "guessed")
_EVIDENCE = {"sure": _sure, "named": _named, "guessed": _guessed}


def _fields(answer: Answer, wanted: Wanted) -> Iterator[Found]:
    """The page's own control of that name. What somebody could have typed there is no id, unless the name says so;
    and an amount stays an amount though the page sends it back: taken from the page, a wrong one would go unseen."""
    if wanted.is_id or _words(wanted.name).isdisjoint(_AMOUNTS):
        for extract in form_fields(answer, wanted.value, wanted.name, typed=wanted.is_id):
            yield extract, f"the page's field {wanted.name} held it"


# ---------------------------------------------------------------------- addresses


def _made(answer: Answer, wanted: Wanted) -> bool:
    """True for an answer that is nothing but the number: `POST /members` → `7`."""
    return isinstance(answer.json, int) and str(answer.json) == wanted.value


def _goes_on(wanted: Wanted, source_path: str) -> bool:
    return wanted.place == "path" and wanted.role.rstrip("/") == source_path.rstrip("/")


def _belongs(wanted: Wanted, source_path: str) -> bool:
    """True for a number right behind the address of a thing, `/studies/7/21`: some id in what that thing is."""
    return _goes_on(wanted, source_path) and not _last_noun(source_path)


def _last_noun(path: str) -> str:
    segment = path.rstrip("/").rpartition("/")[2]
    return noun_of(segment) if all(piece.kind in ("text", "number") for piece in pieces(segment)) else ""


def _continued(answer: Answer, wanted: Wanted, anchors: Sequence[str]) -> Iterator[Found]:
    """Addresses that go on after the same path with the number."""
    role = unquote(wanted.role)
    sought = re.compile(rf"{re.escape(role)}{re.escape(wanted.value)}(?![A-Za-z0-9_])")
    group = "".join(re.escape(p.text) if p.kind in ("text", "number") else r"[^/?#\s\"'<>]+" for p in pieces(role))
    for where, url in urls_in(answer):
        if (match := sought.search(url)) and not within_random(url, match.end()):
            follow = re.escape(constant_start(url, match.end()))
            regex = rf"{group}(\d+){follow}"
            yield from _offered(answer, where, url, regex, anchors, f"that answer links to {url[:60]}")


def _beside(answer: Answer, wanted: Wanted) -> Iterator[Found]:
    """Addresses, wherever they lead, in which the same random id follows the number: `/files/7/<uuid>`."""
    if not (looks_opaque(wanted.follow) or any(p.kind == "uuid" for p in pieces(wanted.follow))):
        return
    sought = re.compile(rf"/{re.escape(wanted.value)}/{re.escape(wanted.follow)}(/[A-Za-z_-]+)?(?=[/?#]|$)")
    for where, url in urls_in(answer):
        if match := sought.search(url):
            extract = Extract(**where, regex=rf"/(\d+)/[^/?#\s\"'<>]+{re.escape(match[1] or '')}(?=[/?#]|$)")
            yield extract, f"that answer links to {url[:60]}, where the same id follows it"


def _neighbours(answer: Answer, wanted: Wanted, anchors: Sequence[str]) -> Iterator[Found]:
    """`/pet/delete/7` where a script holds that address, or a link to its neighbour `/pet/edit/7` stands."""
    role = unquote(wanted.role)
    if wanted.place != "path" or not answer.is_html:
        return
    if re.search(rf"{re.escape(role)}{re.escape(wanted.value)}(?!\w)", answer.text or ""):
        yield Extract(regex=rf"{re.escape(role)}(\d+)(?!\w)"), f"that answer holds the address {role}{wanted.value}"
    head = re.fullmatch(r"(/.+/)[A-Za-z_-]+/", role)
    if head is None:
        return
    parent = head[1]
    neighbour = re.compile(rf"{re.escape(parent)}[A-Za-z_-]+/{re.escape(wanted.value)}(?!\w)")
    for where, url in urls_in(answer):
        if match := neighbour.search(url):
            lead = re.escape(match.group()[: -len(wanted.value)])
            yield from _offered(
                answer, where, url, rf"{lead}(\d+)", anchors, f"that answer links to its neighbour {url[:60]}"
            )


def _linked(answer: Answer, wanted: Wanted, source_path: str | None, anchors: Sequence[str]) -> Iterator[Found]:
    """Links with the same parameter (or its singular), those first that lead nearest to where the number was sent;
    with `source_path` only those that lead right there."""
    bare = wanted.name.removesuffix("[]")
    names = "|".join(re.escape(name) for name in dict.fromkeys((wanted.name, bare, bare.removesuffix("s"))))
    sought = re.compile(rf"[?&;](?:{names})={re.escape(wanted.value)}(?![^&#;])")
    links = [(where, url) for where, url in urls_in(answer) if sought.search(url)]
    if source_path is not None:
        links = [(where, url) for where, url in links if _leads(url, wanted.target, source_path)]
    ahead = set(wanted.target.split("/"))
    for where, url in sorted(links, key=lambda link: -len(ahead & set(urlsplit(link[1]).path.split("/")))):
        lead = f"{re.escape(urlsplit(url).path)}[^\\s\"'<>]*" if _fixed(url) else ""
        regex = rf"{lead}[?&;](?:{names})=([^&#;\s\"'<>]+)"
        yield from _offered(
            answer, where, url, regex, anchors, f"a link of that answer has it as {wanted.name}: {url[:60]}"
        )


def _by_noun(answer: Answer, wanted: Wanted) -> Iterator[Found]:
    """`?author=7`, `?filter[author]=7` and `{"author_id": 7}` take their number from the address `/authors/7/` of an answer,
    or from the option that a select of authors has for it."""
    if not wanted.stems:
        return
    for where, url in urls_in(answer):
        for match in re.finditer(rf"/([A-Za-z_-]+)/{re.escape(wanted.value)}(?![^/?#])", url):
            if noun_of(match[1]) in wanted.stems:
                extract = Extract(**where, regex=rf"/{re.escape(match[1])}/(\d+)(?![^/?#])")
                yield extract, f"that answer links to {url[:60]}, and {wanted.name} names the same thing"
    for select in answer.html.css("select[name]") if answer.is_html else ():
        name = select.attributes.get("name") or ""
        if not stems_of(name).isdisjoint(wanted.stems):
            # A select may offer plain numbers, too: its inputs of that name are other fields.
            offers = (
                e for e in form_fields(answer, wanted.value, name) if e.text is not None and e.text != wanted.value
            )
            yield from (
                (e, f"the page's select {name} offers it, and {wanted.name} names the same thing") for e in offers
            )


def _offered(
    answer: Answer, where: dict[str, str], url: str, regex: str, anchors: Sequence[str], evidence: str
) -> Iterator[Found]:
    if "css" in where:
        for node in answer.html.css(where["css"]):
            if unquote(node.attributes.get(where["attr"]) or "") == url and (row := row_around(node, anchors)):
                yield Extract(css=row[0], text=row[1], attr="outerHTML", regex=regex), evidence
    yield Extract(**where, regex=regex), evidence


def _leads(url: str, target: str, source_path: str) -> bool:
    """True when `url`, as it stands on the page at `source_path`, goes to the path `target`."""
    path = urlsplit(url).path
    if not path:
        return source_path == target
    return path == unquote(target) or (
        path[0] != "/" and unquote(target).endswith("/" + re.sub(r"^(?:\.{1,2}/)+", "", path))
    )


def _fixed(url: str) -> bool:
    return all(piece.kind == "text" for piece in pieces(urlsplit(url).path))


def _has_form(answer: Answer, wanted: Wanted, source_path: str) -> bool:
    """True when a form that is sent to the same address holds the number under the same name."""
    for form in answer.html.css("form"):
        if _leads(form.attributes.get("action") or "", wanted.target, source_path):
            for field in form.css(f"[name={quoted(wanted.name)}]"):
                values = [field.attributes.get("value"), *(o.attributes.get("value") for o in field.css("option"))]
                if wanted.value in values:
                    return True
    return False


# ---------------------------------------------------------------------- pages


def _attributes(answer: Answer, wanted: Wanted, anchors: Sequence[str]) -> Iterator[Found]:
    """Ids that a page keeps for its scripts: `data-id="7"`, `data-box-id="7"`, `id="box-7"`."""
    for node in answer.html.css("*"):
        for attribute, text in node.attributes.items():
            if not text or wanted.value not in text:
                continue
            if attribute.startswith("data-") and text == wanted.value:
                stem, regex = noun_of(ID_ENDING.sub("", VENDOR.sub("", attribute))), rf'{re.escape(attribute)}="(\d+)"'
                bare = ID_ENDING.search(attribute) is not None
            elif attribute == "id" and (match := re.fullmatch(rf"([A-Za-z_-]+?)[-_]?{re.escape(wanted.value)}", text)):
                stem, regex, bare = noun_of(match[1]), rf'id="{re.escape(text[: -len(wanted.value)])}(\d+)"', True
            else:
                continue
            if stem != wanted.noun and not (bare and wanted.is_id and stem in ANY_NOUN):
                continue
            evidence = f"the page keeps it as {attribute} of <{node.tag}>"
            # The element itself may be the row; else the one around it.
            own = next((a for a in anchors if a in " ".join(node.text().split())), None)
            row = (node.tag or "*", own) if own is not None else row_around(node, anchors)
            if row is not None:
                yield Extract(css=row[0], text=row[1], attr="outerHTML", regex=regex), evidence
            yield (
                Extract(css=f"{node.tag}[{attribute}]", attr=attribute, regex=_whole(attribute, text, wanted.value)),
                evidence,
            )


def _whole(attribute: str, text: str, value: str) -> str:
    return r"^(\d+)$" if text == value else rf"^{re.escape(text[: -len(value)])}(\d+)$"


def _assignments(answer: Answer, wanted: Wanted) -> Iterator[Found]:
    """Ids in a script: `const BOX_ID = 7;`, `boxId: 7`, `box = {id: 7`."""
    value = re.escape(wanted.value)
    plain = re.compile(rf"""([A-Za-z_][\w-]*)["']?\s*[:=]\s*["']?{value}(?![\w.])""")
    inside = r"""["']?\s*[:=]\s*\{[^{}]*?\b(?:id|pk)["']?\s*:\s*["']?"""
    nested = re.compile(rf"([A-Za-z_]\w*){inside}{value}(?![\w.])")
    stems = {wanted.noun, ""} if wanted.is_id else {wanted.noun}
    for script in answer.html.css("script"):
        text = script.text() or ""
        for match in nested.finditer(text):
            if noun_of(match[1]) == wanted.noun:
                yield (
                    Extract(css="script", regex=rf"\b{match[1]}{inside}(\d+)(?![\w.])"),
                    f"a script of the page has it in {match[1]}",
                )
        for match in plain.finditer(text):
            name = match[1]
            if ID_ENDING.search(name) and noun_of(ID_ENDING.sub("", name)) in stems:
                regex = rf"""\b{re.escape(name)}["']?\s*[:=]\s*["']?(\d+)(?![\w.])"""
                yield Extract(css="script", regex=regex), f"a script of the page calls it {name}"


# ---------------------------------------------------------------------- documents


def documents(answer: Answer) -> Iterator[tuple[Extract | None, Any]]:
    """The JSON of an answer: the body itself, or what a page carries in scripts and attributes."""
    if answer.json is not None:
        yield None, answer.json
    elif answer.is_html:
        yield from answer.embedded


def _within(base: Extract | None, extract: Extract) -> Extract:
    return extract if base is None else base.model_copy(update={"json_": extract.json_})


def _places(document: Any, value: str) -> Iterator[list[Any]]:
    for path, leaf in json_leaves(document):
        if not isinstance(leaf, bool) and str(leaf) == value and path and isinstance(path[-1], str):
            yield path


def _xml_places(answer: Answer, value: str) -> Iterator[tuple[list[str], Extract]]:
    """Where a number stands as a whole text or attribute of an answer in XML: the names around it, and what picks it."""
    if not is_xml(answer.media_type, answer.text or ""):
        return
    for leaf in leaves(answer.text or ""):
        if leaf.value == value:
            path = [*leaf.around, leaf.name]
            tag, name = re.escape(path[-2] if leaf.attribute else path[-1]), re.escape(leaf.name)
            begun = rf"<(?:[\w.-]+:)?{tag}(?=[\s>])"
            inside = rf"[^>]*?\s(?:[\w.-]+:)?{name}\s*=\s*[\"']" if leaf.attribute else r"[^>]*>\s*(?:<!\[CDATA\[)?\s*"
            yield path, Extract(regex=rf"{begun}{inside}(\d+)(?![\w.])")


def _same_thing(path: Sequence[Any], wanted: Wanted, source_path: str) -> bool:
    """True when the key at `path` is an id, and its noun is the one of the place that the number was sent to.

    A bare `id` counts what the nearest key around it names; with no such key, what the address of the answer names.
    """
    key = str(path[-1])
    if not id_like(key):
        return False
    stem, noun = noun_of(ID_ENDING.sub("", key)), wanted.noun
    if stem:
        return stem == noun
    around = [p for p in path[:-1] if isinstance(p, str) and p.lower() not in WRAPPERS]
    if not around and wanted.place == "path" and source_path.rstrip("/") == wanted.role.rstrip("/"):
        return True
    nouns = nouns_of(around[-1]) if around else {noun_of(s) for s in source_path.split("/")}
    return bool(noun) and noun in nouns


def _on_the_way(path: Sequence[Any], wanted: Wanted, source_path: str) -> bool:
    """True where some key or address around the id, or ahead of its place (`/pet/edit/7`), names the same thing."""
    stem = noun_of(ID_ENDING.sub("", str(path[-1])))
    ahead = {noun_of(s) for s in wanted.role.split("/") if s} if wanted.place == "path" else {wanted.noun}
    if stem:
        return stem in ahead
    around = {n for p in path[:-1] if isinstance(p, str) for n in nouns_of(p)} | {
        noun_of(s) for s in source_path.split("/")
    }
    return not ahead.isdisjoint(around - {""})


def _words(name: str) -> frozenset[str]:
    return frozenset(map(noun_of, re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)))


@lru_cache(4096)
def stems_of(name: str) -> frozenset[str]:
    """The stems of the words in a name that may name a thing, without those that only page, filter or compare."""
    return frozenset(stem for stem in _words(name) if len(stem) > 2 and stem not in _PAGING | _OPERATORS)


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
