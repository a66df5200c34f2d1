"""Secrets that were refused wherever they were sent: a mistyped password, a made-up token. Nobody needs to know them.

At a login any other value is refused as well. Where somebody chooses a password it is refused for what it is, and what
stands for it has to be as bad: the recorded text itself, where the answer shows it or anybody would have guessed it (the
pseudonym tells), else one that is too short for any rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from assembler.extractors import Answer
from assembler.guessed import GUESSED
from assembler.parts import Generated, refused
from assembler.recording import Exchange
from assembler.shapes import SECRET
from assembler.slots import Slot
from assembler.sources import json_leaves

__all__ = ["refused_secrets"]

_LOGIN = re.compile(r"log-?in|sign-?in|session|auth", re.IGNORECASE)
_LOGIN_ONLY = re.compile(r"log-?in|sign-?in|session|token|/auth[^/]*$", re.IGNORECASE)
_CHOOSING = re.compile(r"regist|sign-?up|join|reset|change|passw|account|users?\b|profile|invit", re.IGNORECASE)
"""Addresses where somebody chooses a password, whatever else they are named after."""
_PASSWORD = re.compile(r"pass|pwd", re.IGNORECASE)
_FORMER = re.compile(r"old|current|existing|previous|verif", re.IGNORECASE)
"""Fields in which a form asks for the password that is to be changed."""
_REFUSED = {400, 401, 403, 409, 422, 423, 429}
_GONE = {404, 410}
"""What an address with a wrong signature or a token that was used up may lead to, too."""
_UNFIT = {200, 302, 303, 400, 422}
"""Answers to a value that may be refused for what it is. The others are about who may, and when."""

_OTHERWISE = re.compile(
    r"already|exist|taken|duplicate|in use|match|identical|agree|differ|bereits|vergeben|existe|déjà|ya está", re.IGNORECASE
)
"""What an answer says that refuses a request for something else than a bad password."""
_BAD = re.compile(r"short|weak|least|length|longer|characters|common|numeric|digit|upper|symbol|simple|strength", re.IGNORECASE)

_WORD = re.compile(r"[^\s\"'<>&=,;()\[\]{}\\]+")


def refused_secrets(
    exchanges: Sequence[Exchange],
    answers: Sequence[Answer],
    slots: Sequence[Sequence[Slot]],
    digest: Callable[[str], str],
) -> dict[str, Callable[[str], str | Generated]]:
    """The pseudonyms (hex) that no request brought through; with the name of its field, what stands for each.

    `digest` makes the hex of a text."""
    first: dict[str, int] = {}
    taken: set[str] = set()
    for index, (exchange, answer, sent) in enumerate(zip(exchanges, answers, slots, strict=True)):
        for slot in sent:
            for secret in SECRET.findall(slot.value):
                if _is_refusal(exchange, answer, slot):
                    first.setdefault(secret, index)
                else:
                    taken.add(secret)
    found = {}
    for secret, index in first.items():
        if secret not in taken:
            path = exchanges[index].path
            pages = [answers[n] for n in range(index) if exchanges[n].safe and exchanges[n].path == path]
            good = _refused_otherwise(answers[index], pages[-1] if pages else None)
            found[secret] = _stand_in(secret, exchanges[index], answers[index], slots[index], taken, digest, good=good)
    return found


def _is_refusal(exchange: Exchange, answer: Answer, slot: Slot) -> bool:
    # Good credentials in a header may well be answered by 403 or 409: they were taken, something else was not.
    if slot.place == "header":
        return answer.status == 401
    if slot.place in ("path", "query"):
        return answer.status in _REFUSED | _GONE
    if exchange.safe or answer.status in _REFUSED:
        return answer.status in _REFUSED
    if answer.status == 200 and answer.is_html:
        return answer.html.css_first("input[type=password]") is not None
    target = (answer.first("location") or "").partition("?")[0]
    back = answer.status in (302, 303) and target.endswith(exchange.path)
    return back and _LOGIN.search(exchange.path) is not None


def _stand_in(
    secret: str,
    exchange: Exchange,
    answer: Answer,
    sent: Sequence[Slot],
    taken: set[str],
    digest: Callable[[str], str],
    *,
    good: bool,
) -> Callable[[str], str | Generated]:
    fields = [slot for slot in sent if slot.place not in ("header", "path", "query")]
    password = any(_PASSWORD.search(slot.name) for slot in fields if secret in slot.value)
    chosen = answer.status in _UNFIT and (_CHOOSING.search(exchange.path) or not _LOGIN_ONLY.search(exchange.path))
    if chosen or not password:
        known = next((text for text in _texts(answer, fields) if digest(text) == secret), None)
        if known is not None:
            return lambda _: known
    weak = bool(chosen) and password and not good and not _another_is_wrong(secret, fields, taken)
    return lambda name: refused(name, secret, weak=weak)


def _refused_otherwise(answer: Answer, page: Answer | None) -> bool:
    """Whether an answer tells of something else than a bad password; what the page of the form said before tells nothing."""
    said, before = _said(answer), _said(page) if page is not None else ""

    def news(pattern: re.Pattern[str]) -> bool:
        return len(pattern.findall(said)) > len(pattern.findall(before))

    return news(_OTHERWISE) and not news(_BAD)


def _said(answer: Answer) -> str:
    if answer.is_html and answer.html.body is not None:
        return str(answer.html.body.text(separator=" "))
    return answer.text or ""


def _texts(answer: Answer, fields: Sequence[Slot]) -> Iterator[str]:
    """What a refused value may have been: what its answer shows, what else was sent, what everybody would have guessed."""
    yield from (value for _, value in json_leaves(answer.json) if isinstance(value, str))
    yield from (slot.value for slot in fields)
    yield from GUESSED
    yield from dict.fromkeys(_WORD.findall(answer.text or ""))


def _another_is_wrong(secret: str, fields: Sequence[Slot], taken: set[str]) -> bool:
    """The value may be good: it is the former password, or another one sent with it is not the same, or wrong itself."""
    passwords = [
        (other, slot.name) for slot in fields if _PASSWORD.search(slot.name) for other in SECRET.findall(slot.value)
    ]
    return any(
        _FORMER.search(name) if other == secret else other not in taken or not _FORMER.search(name)
        for other, name in passwords
    )
