"""Secrets that were refused wherever they were sent: a mistyped password, a made-up token. Nobody needs to know them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from assembler.extractors import Answer
from assembler.recording import Exchange
from assembler.shapes import SECRET
from assembler.slots import Slot

__all__ = ["refused_secrets"]

_LOGIN = re.compile(r"log-?in|sign-?in|session|auth", re.IGNORECASE)
_REFUSED = {400, 401, 403, 409, 422, 423, 429}


def refused_secrets(
    exchanges: Sequence[Exchange], answers: Sequence[Answer], slots: Sequence[Sequence[Slot]]
) -> set[str]:
    """The pseudonyms (hex) that no request brought through: any other value would have been refused as well."""
    refused: set[str] = set()
    taken: set[str] = set()
    for exchange, answer, sent in zip(exchanges, answers, slots, strict=True):
        for slot in sent:
            if secrets := SECRET.findall(slot.value):
                (refused if _is_refusal(exchange, answer, slot) else taken).update(secrets)
    return refused - taken


def _is_refusal(exchange: Exchange, answer: Answer, slot: Slot) -> bool:
    # Good credentials in a header may well be answered by 403 or 409: they were taken, something else was not.
    if slot.place in ("header", "path", "query"):
        return answer.status == 401
    if exchange.safe or answer.status in _REFUSED:
        return answer.status in _REFUSED
    if answer.status == 200 and answer.is_html:
        return answer.html.css_first("input[type=password]") is not None
    target = (answer.first("location") or "").partition("?")[0]
    back = answer.status in (302, 303) and target.endswith(exchange.path)
    return back and _LOGIN.search(exchange.path) is not None
