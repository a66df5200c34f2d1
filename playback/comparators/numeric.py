"""When two numbers are equal. The one rule that all comparators share."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import TypeGuard

# A leading zero makes an identifier, not a number: 002299 must not equal 2299. No Python-only forms such as 1_000.
_NUMBER = re.compile(r"[+-]?(?!0[0-9])(?=\.?[0-9])[0-9]*(?P<inexact>(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)")
_SPECIAL = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_LONGEST = 400  # characters; Python refuses to read integers of thousands of digits, and nobody measures them


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether `value` is a number. A bool is not, although Python says so."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def parse_number(text: str) -> int | float | None:
    """The number that `text` writes in decimal notation, or None.

    Whole numbers are read exactly. What overflows a double is no number here, or 1e400 would equal 1e500.
    """
    if len(text) > _LONGEST:
        return None
    if found := _NUMBER.fullmatch(text):
        number = float(text) if found["inexact"] else int(text)
        return None if number in (math.inf, -math.inf) else number
    return float(text) if _SPECIAL.fullmatch(text) else None


def same_number(expected: float, actual: float, tolerance: float = 0.0, relative: bool = False) -> bool:
    """Whether `actual` is within `tolerance` of `expected`: absolute, or as a fraction of `|expected|`.

    NaN equals NaN and nothing else; an infinity equals itself and nothing else, whatever the tolerance.
    """
    if expected == actual:
        return True
    if not (_finite(expected) and _finite(actual)):
        return expected != expected and actual != actual
    # Exact arithmetic: large integers neither overflow nor lose digits, and the limit itself is inside.
    allowed = Fraction(tolerance) * abs(Fraction(expected)) if relative else Fraction(tolerance)
    return abs(Fraction(actual) - Fraction(expected)) <= allowed


def deviation(expected: float, actual: float) -> float:
    """How far apart two numbers are; infinite where that cannot be said."""
    try:
        apart = float(abs(actual - expected))
    except OverflowError:
        return math.inf
    return math.inf if apart != apart else apart


def _finite(number: float) -> bool:
    # Not math.isfinite: it overflows on integers beyond the range of a double.
    return -math.inf < number < math.inf
