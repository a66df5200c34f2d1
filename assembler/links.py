"""Addresses that hold something random: `/reset/Mg/c7k2…-81f0…/` in a mail.

By itself `Mg` could be anything; the address that an answer held as a whole says that it was given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from assembler.extractors import Answer
from assembler.profile import Extract
from assembler.shapes import SECRET, looks_opaque, packed_number, pieces
from assembler.slots import Slot
from assembler.sources import proved, urls_in

__all__ = ["constant_start", "is_code", "is_cursor", "locate_beside", "locate_with", "stands_beside", "within_random"]

Found = tuple[Extract, str]
_SEGMENT = r"[^/?#\s\"'<>]+"
_CODE = re.compile(r"[A-Za-z0-9_=-]{1,12}")
_WORD = re.compile(r"[a-z]{3,}|[A-Z]?[a-z]{4,}")


def stands_beside(slot: Slot) -> bool:
    """True for a short code, no word, with a random segment behind it in the same path."""
    if slot.place != "path" or not _CODE.fullmatch(slot.value) or _WORD.fullmatch(slot.value) or slot.value.isdigit():
        return False
    behind = slot.follow
    return bool(SECRET.fullmatch(behind)) or looks_opaque(behind) or any(p.kind == "uuid" for p in pieces(behind))


_CURSOR = re.compile(
    r"(?:[a-z]+_)?(?:cursor|page_?token|continuation(?:_?token)?|continue|marker|bookmark|start_?after|starting_after|after|before|next)",
    re.IGNORECASE,
)


def is_cursor(slot: Slot) -> bool:
    """True where a parameter says that it holds a place in a list (`cursor`, `page_token`), which the server names as it likes."""
    return slot.place in ("query", "json") and _CURSOR.fullmatch(slot.name) is not None and "/" not in slot.value


_CODE_NAME = re.compile(r"code|otp|pin|token|captcha|verif|confirm|key|ticket|voucher|coupon", re.IGNORECASE)
_CODE_LETTERS = re.compile(r"\d{4,10}")


def is_code(slot: Slot) -> bool:
    """True for digits that are no number but a code, as one is sent by mail: the name of their place says so."""
    if slot.number or not _CODE_LETTERS.fullmatch(slot.value) or slot.place in ("path", "header", "text"):
        return False
    return _CODE_NAME.search(slot.name) is not None


def locate_beside(answer: Answer, slot: Slot) -> Found | None:
    """An extractor for the code, from an address in the answer that goes on with the same random segment."""
    role = unquote(slot.role)
    whole = f"{role}{slot.value}/{slot.follow}"
    constant = "".join(re.escape(p.text) if p.kind in ("text", "number") else _SEGMENT for p in pieces(role))
    regex = rf"{constant}({_SEGMENT})/{_SEGMENT}"
    for extract in _holding(answer, whole, regex):
        if held := proved(extract, answer, slot.value):
            return held, "an address of that answer held it beside the random segment that follows"
    return None


def locate_with(answer: Answer, value: str, sent: Iterable[str]) -> Found | None:
    """An extractor for a number in base64 (`Mw`), from an address in the answer that goes on with a secret that is `sent`
    beside it: `/activate/Mw/…`, `?uid=Mw&token=…`."""
    if packed_number(value) is None:
        return None
    behind = "|".join(re.escape(other) for other in sent if SECRET.fullmatch(other) or looks_opaque(other))
    lead = re.compile(rf"([\w.-]+[/=]){re.escape(value)}(?=(?:[/&?-]|&amp;)[^\s\"'<>]{{0,20}}(?:{behind}))")
    for where, url in urls_in(answer) if behind else ():
        if found := lead.search(url):
            extract = Extract(**where, regex=rf"{re.escape(found[1])}([A-Za-z0-9]+)")
            if held := proved(extract, answer, value):
                return held, "an address of that answer held it before the secret that is sent with it"
    return None


def _holding(answer: Answer, whole: str, regex: str) -> Iterator[Extract]:
    for where, url in urls_in(answer):
        if whole in url:
            yield Extract(**where, regex=regex)
    if whole in (answer.text or ""):
        yield Extract(regex=regex)


def constant_start(url: str, position: int) -> str:
    """What follows in an address up to the next thing that may vary, in 40 characters at most."""
    start, constant = 0, ""
    for piece in pieces(url):
        end = start + len(piece.text)
        if end > position:
            if piece.kind != "text":
                break
            constant += piece.text[max(0, position - start) :]
        start = end
    return re.split(r"[?#\d]", constant)[0][:40]


def within_random(url: str, position: int) -> bool:
    """True where what ends there is part of something random: the `2` of `/key/2-dicifz-f42020b2…` counts nothing by itself."""
    start = 0
    for piece in pieces(url):
        end = start + len(piece.text)
        if start < position < end:
            return piece.kind == "opaque"
        start = end
    return False
