"""Where a counted id that a request sends was shown before. Chance equality of small numbers proves nothing.

Evidence is *sure* when the place says what the number counts and where it leads: an address that continues the path, a
link or form that leads to the same address, a key that is an id under the same noun. It is *named* when the name alone
fits, and a *guess* when only the noun does. Sure evidence of any answer goes before weaker evidence of another; of weaker
evidence the latest is best, for a client acts on what it saw last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal
from urllib.parse import unquote, urlsplit

from assembler.document_ids import id_places, on_the_way, same_thing
from assembler.extractors import Answer
from assembler.links import constant_start, within_random
from assembler.nouns import AMOUNTS, ANY_NOUN, HANDLES, ID_ENDING, PAGING, VENDOR, Wanted, noun_of, stems_of, words_of
from assembler.profile import Extract
from assembler.shapes import id_like, looks_opaque, pieces
from assembler.sources import form_fields, proved, quoted, row_around, urls_in

__all__ = ["STRENGTHS", "Strength", "locate_choice", "locate_name", "locate_number"]

Found = tuple[Extract, str]


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
    for place in id_places(answer, wanted.value, source_path, anchors):
        if same_thing(place, wanted):
            yield from ((e, f"the answer's {place.called} is an id, and its place says of what") for e in place.offers)


def _named(answer: Answer, wanted: Wanted, source_path: str, anchors: Sequence[str]) -> Iterator[Found]:
    if wanted.place == "query":
        yield from _linked(answer, wanted, None, anchors)
    if wanted.place != "path" and answer.is_html:
        yield from _fields(answer, wanted)
    if wanted.place == "path":
        return
    for place in id_places(answer, wanted.value, source_path, anchors):
        if (
            not place.inferred
            and place.names[-1] == wanted.key
            and (id_like(wanted.key) or (wanted.fresh and wanted.noun in HANDLES))
        ):
            yield from ((e, f"the answer's {place.called} held it") for e in place.offers)


def _guessed(answer: Answer, wanted: Wanted, source_path: str, anchors: Sequence[str]) -> Iterator[Found]:
    if wanted.place != "path":
        yield from _by_noun(answer, wanted)
    if _made(answer, wanted) and answer.status == 201 and wanted.fresh and not wanted.is_amount:
        yield Extract(json_="@"), f"the answer to {source_path} made it, and was this number alone"
    yield from _neighbours(answer, wanted, anchors)
    if answer.is_html and wanted.noun not in PAGING:
        yield from _attributes(answer, wanted, anchors)
        yield from _assignments(answer, wanted)
    for place in id_places(answer, wanted.value, source_path, anchors):
        told = on_the_way(place, wanted, source_path) or (place.path and _belongs(wanted, source_path))
        if told and not place.inferred and id_like(place.names[-1]):
            evidence = f"the answer's {place.called} is an id, and the path says of what"
            yield from ((extract, evidence) for extract in place.offers)


Strength = Literal["sure", "named", "guessed"]
STRENGTHS: tuple[Strength, ...] = ("sure", "named", "guessed")
_EVIDENCE = {"sure": _sure, "named": _named, "guessed": _guessed}


def _fields(answer: Answer, wanted: Wanted) -> Iterator[Found]:
    """The page's own control of that name. What somebody could have typed there is no id, unless the name says so;
    and an amount stays an amount though the page sends it back: taken from the page, a wrong one would go unseen."""
    if wanted.is_id or words_of(wanted.name).isdisjoint(AMOUNTS):
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
