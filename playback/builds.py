"""Whether two values taken from the same place of an answer are built alike; a value of another build is another thing."""

from __future__ import annotations

import base64
import re

from assembler.shapes import TEMPORARY, code_like, looks_opaque, packed_number, skeleton

__all__ = ["code_build", "long_id", "one_time", "same_build", "sayable", "unpadded"]

_LONG_ID = 17
"""Digits: one more than microseconds since 1970."""
_ONE_TIME = re.compile(
    r"(?:(?:verification|confirmation|security|access|login|log-in|sign-in|activation|reset|pairing|invite|invitation|one[-_ ]time|"
    r"sms|your)[-_ ]code|passcode|\botp|\bpin)(?: (?:is|was))?\s*:?\s*[\"'>*]*$",
    re.IGNORECASE,
)
_UNSAYABLE = re.compile(r"\d|(?i:[b-df-hj-np-tv-xz]{4})|[a-z][A-Z].*[a-z][A-Z]")


def same_build(recorded: str, live: str) -> bool:
    """True when two values are built alike: `brave-otter` and `mild-tiger`, `levels_2` and `levels_9`, `57DFIH` and `PSNHZS`.

    One single word and another are no two names of one kind but two states (`queued`, `failed`), and must be equal.
    """
    if packed_number(recorded) and packed_number(live):
        return True
    if recorded.isalpha() and live.isalpha() and sayable(recorded) and sayable(live):
        return recorded == live
    if skeleton(recorded) == skeleton(live) or (looks_opaque(recorded) and looks_opaque(live)):
        return True
    if _both_random(recorded, live) or _same_layout(recorded, live):
        return True
    if (was := _decoded(recorded)) and (now := _decoded(live)):
        return same_build(was, now)
    if TEMPORARY.fullmatch(recorded) and TEMPORARY.fullmatch(live):
        return recorded[:-8] == live[:-8]
    before, after = re.split(r"([^A-Za-z0-9])", recorded), re.split(r"([^A-Za-z0-9])", live)
    return len(before) == len(after) and all(map(_same_code, before, after))


def _decoded(text: str) -> str | None:
    """What a value says in base64 (`Yzoy` is `c:2`), where it has a number in it."""
    core = text.rstrip("=")
    try:
        said = base64.b64decode(core + "=" * (-len(core) % 4), altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        return None
    return said if said.isprintable() and re.search(r"\d", said) and re.search(r"[:=,\"|]", said) else None


def _both_random(recorded: str, live: str) -> bool:
    """One of two made at random may look like a name by chance (`MttCppeDRBsb`), but not like a plain word."""
    if abs(len(recorded) - len(live)) > 1 or not all(
        re.fullmatch(r"[\w-]+", text, re.ASCII) for text in (recorded, live)
    ):
        return False
    words = [text for text in (recorded, live) if re.fullmatch(r"[A-Z]?[a-z]+|[A-Z]+", text) and sayable(text)]
    return not words and (looks_opaque(recorded) or looks_opaque(live))


def _same_layout(recorded: str, live: str) -> bool:
    """`BP3R-VME6-HRSE` and `HFS8-WAER-S6S2`: letters and digits of one alphabet, in parts as long as before."""
    if _layout(recorded) != _layout(live) or len(recorded) < 4 or recorded.islower() != live.islower():
        return False
    words = [text for text in (recorded, live) if text.isalpha() and sayable(text)]
    return not words and any(c.isdigit() for c in recorded + live) and recorded.isupper() == live.isupper()


def _layout(text: str) -> str:
    return re.sub(r"[A-Za-z0-9]", "x", text)


def sayable(word: str) -> bool:
    """True for letters that may be a word; with digits, or four consonants in a row, they are none."""
    return _UNSAYABLE.search(word) is None


def code_build(word: str) -> tuple[int, str]:
    """Length and letters of a code: any of its places may be a digit."""
    return len(word), "".join(k for k, found in (("a", r"[a-z]"), ("A", r"[A-Z]")) if re.search(found, word))


def _same_code(recorded: str, live: str) -> bool:
    """A short code may have its digits elsewhere, but no other length (by more than one)."""
    if skeleton(recorded) == skeleton(live):
        return True
    return abs(len(recorded) - len(live)) <= 1 and (code_like(recorded) or code_like(live)) and live.isalnum()


def long_id(recorded: str, live: str) -> bool:
    """True for two numbers so long that they count nothing but what a machine numbers by the clock (snowflakes)."""
    return min(len(recorded), len(live)) >= _LONG_ID and abs(len(recorded) - len(live)) <= 1


def unpadded(recorded: str, live: str) -> tuple[str, str]:
    """Two numbers as they count: of one width, filled with zeros (`INV-00017`, `INV-00042`), they are 17 and 42."""
    padded = len(recorded) == len(live) and "0" in (recorded[0], live[0])
    return (recorded.lstrip("0") or "0", live.lstrip("0") or "0") if padded else (recorded, live)


def one_time(before: str, recorded: str, live: str) -> bool:
    """True for two numbers of one length that the words before them call a code for one use: `your code is 482913`."""
    return 4 <= len(recorded) == len(live) <= 8 and _ONE_TIME.search(before) is not None
