"""Where in a live text the counterparts of the varying pieces of a recorded text stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from assembler.shapes import AGO, Piece

__all__ = ["Expected", "aligned"]

_TRIES = 2_000
"""Places looked at for one text before it is called different: alignment stays linear whatever the application sends."""

Expected = list[tuple[Piece, str | None]]


def aligned(expected: Expected, live: str) -> list[str] | None:
    """The live counterparts of the varying pieces, in order, or None when the texts are built differently."""
    found: list[str] = []
    tries = 0

    def walk(index: int, position: int) -> bool:
        nonlocal tries
        while index < len(expected):
            constant = _constant(*expected[index])
            if constant is None:
                break
            if not live.startswith(constant, position):
                return False
            index, position = index + 1, position + len(constant)
        if index == len(expected):
            return position == len(live)
        piece = expected[index][0]
        for end in _ends(piece, expected[index + 1] if index + 1 < len(expected) else None, live, position):
            tries += 1
            if tries > _TRIES:
                return False
            found.append(live[position:end])
            if walk(index + 1, end):
                return True
            found.pop()
        return False

    return found if walk(0, 0) else None


def _constant(piece: Piece, now: str | None) -> str | None:
    return now if now is not None else piece.text if piece.kind == "text" else None


def _ends(piece: Piece, follower: tuple[Piece, str | None] | None, live: str, position: int) -> Iterator[int]:
    """Where a varying piece that begins at `position` may end: as far as it can, unless what follows says otherwise."""
    pattern = _shape_of(piece)
    longest = pattern.match(live, position)
    if longest is None or longest.end() == position:
        return
    if follower is None:
        if longest.end() == len(live):
            yield len(live)
        return
    constant = _constant(*follower)
    if constant is None:
        yield longest.end()
        return
    end = live.find(constant, position + 1, longest.end() + len(constant))
    while end != -1:
        if pattern.fullmatch(live, position, end):
            yield end
        end = live.find(constant, end + 1, longest.end() + len(constant))


@lru_cache(maxsize=16384)
def _shape_of(piece: Piece) -> re.Pattern[str]:
    """What the live counterpart of a varying piece looks like."""
    if piece.kind == "uuid":
        return re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
    if piece.kind == "opaque":
        if ":" in piece.text:
            return re.compile(r"\.?[\w-]{2,}(?:\.[\w-]+)?:[0-9A-Za-z]{6}:[\w-]{27,86}")
        if piece.text.isdigit():
            return re.compile(r"[1-9]\d{3,4}")
        size = len(piece.text)
        if re.fullmatch(r"[0-9a-fA-F]+", piece.text):
            return re.compile(rf"[0-9a-fA-F]{{{size}}}")
        return re.compile(rf"[A-Za-z0-9_.~=-]{{{max(4, size // 2)},{size * 2}}}")
    if piece.kind == "clock":
        return re.compile(_clock_pattern(piece.text))
    if piece.kind == "ago":
        return AGO
    return re.compile(
        {
            "code": r"[A-Za-z0-9]+",
            "int": r"\d+",
            "number": r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?",
            "secret": r"[^\s\"'<>&;,]+",
        }[piece.kind]
    )


def _clock_pattern(text: str) -> str:
    """Any time written the way `text` is: numbers may differ, a fraction may be missing, months and days have names."""
    build = re.sub(r"(:\d{2})[.,]\d+", r"\1", text)
    out = ""
    for token in re.findall(r"\d+|[^\W\d_]+\.?|.", build, re.DOTALL):
        out += (
            r"\d+"
            if token[0].isdigit()
            else r"[^\W\d_]+\.?"
            if token[0].isalpha()
            else r"\s+"
            if token.isspace()
            else re.escape(token)
        )
    seconds = re.sub(r"(\\d\+:\\d\+:\\d\+)", r"\1(?:[.,]\\d+)?", out)
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return r"\d+(?:\.\d+)?"
    return seconds
