"""Counted ids in base64 before the secret of an address: `/activate/Mw/…` is for 3, `/activate/MTA/…` for 10."""

from __future__ import annotations

import re

from assembler.shapes import SECRET, packed_number

__all__ = ["packed_numbers", "with_packed"]

_LEAD = r"(?<![\w.-])([\w.-]+[/=])"
_BEHIND = r"(?=(?:[/&?-]|&amp;)(?:[\w.-]{1,20}=)?"
_RECORDED = re.compile(rf"{_LEAD}([MNO][A-Za-z0-9]{{1,11}}){_BEHIND}(?:{SECRET.pattern}))")


def packed_numbers(recorded: str, live: str) -> list[tuple[str, str]]:
    """What was recorded and what stands there now, for each such number that is another one now."""
    if "secret-" not in recorded:
        return []
    found: list[tuple[str, str]] = []
    for match in _RECORDED.finditer(recorded):
        lead, was = match[1], match[2]
        now = re.search(rf"(?<![\w.-]){re.escape(lead)}([MNO][A-Za-z0-9]{{1,11}}){_BEHIND}[\w.~:-]{{8,}})", live)
        if packed_number(was) and now and packed_number(now[1]) and now[1] != was and (was, now[1]) not in found:
            found.append((was, now[1]))
    return found


def with_packed(text: str, was: str, now: str) -> str:
    """`text` with one such number in the place of another."""
    return _RECORDED.sub(lambda m: m[1] + (now if m[2] == was else m[2]), text)
