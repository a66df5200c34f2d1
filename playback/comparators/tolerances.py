"""Tolerances: how far two numbers may be apart, in all places or by place, in absolute terms and in relative ones.

tolerance: 0.01                                  # for every number
tolerance:
  runoff: 0.01                                   # by column, JSON pointer or statistic
  soil_loss: {absolute: 0.001, relative: 0.05}   # within one of them is enough
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from .numeric import is_number, parse_number, same_number
from .params import UNFIT, Params, nearest

LIMIT = "a finite number of at least 0, or a mapping with absolute, relative or both"
_KINDS = ("absolute", "relative")


@dataclass(frozen=True)
class Limit:
    """How far a number may be from the expected one; what is within either bound is equal."""

    absolute: float = 0.0
    relative: float = 0.0  # a fraction of the expected number

    def allows(self, expected: float, actual: float) -> bool:
        """Whether `actual` is near enough; the bounds themselves are inside, and NaN is near NaN alone."""
        return same_number(expected, actual, self.absolute) or same_number(expected, actual, self.relative, True)

    def excess(self, apart: float, expected: float) -> float:
        """How many times too far a number is that is `apart` from the expected one."""
        allowed = max(self.absolute, self.relative * abs(expected))
        return apart / allowed if allowed else math.inf

    def __str__(self) -> str:
        bounds = [f"{self.absolute}"] if self.absolute or not self.relative else []
        return " or ".join([*bounds, f"{self.relative:.6g} of the expected value"] if self.relative else bounds)


NONE = Limit()


def read_limit(given: object) -> float | Limit:
    """A number, also one that YAML 1.1 reads as text (1e-6 without a point), or a mapping of both bounds."""
    return _limit(given, "")


def read_limits(given: object) -> object:
    """The same, or a mapping of such by place."""
    if isinstance(given, Mapping):
        return {name: _limit(limit, f".{name}") if isinstance(name, str) else limit for name, limit in given.items()}
    return _limit(given, "", f"{LIMIT}, or a mapping of such by place")


def _limit(given: object, place: str, wanted: str = LIMIT) -> float | Limit:
    if not isinstance(given, Mapping):
        return _number(given, place, wanted)
    for kind in map(str, given):
        if kind not in _KINDS:
            raise PydanticCustomError(
                UNFIT, "{said}", {"said": f"there is no param '{{}}{place}.{kind}'; {nearest(kind, _KINDS)}."}
            )
    if not given:
        raise _unfit(given, place, wanted)
    wanted = "a finite number of at least 0"
    return Limit(**{kind: _number(number, f"{place}.{kind}", wanted) for kind, number in given.items()})


def _number(given: object, place: str, wanted: str) -> float:
    number = parse_number(given) if isinstance(given, str) else given
    if not is_number(number) or not 0 <= number < math.inf:
        raise _unfit(given, place, wanted)
    return number


def _unfit(given: object, place: str, wanted: str) -> PydanticCustomError:
    return PydanticCustomError(UNFIT, "{said}", {"said": f"param '{{}}{place}' must be {wanted}, not {given!r}."})


OneLimit = Annotated[float | Limit, BeforeValidator(read_limit)]
Limits = Annotated[float | Limit | dict[str, float | Limit], BeforeValidator(read_limits)]


class Tolerant(Params):
    """Params of a comparator that takes numbers for equal within a tolerance, one for all or by place."""

    tolerance: Limits = Field(default=0.0, description=f"{LIMIT}, or a mapping of such by place")
    relative: bool = Field(
        default=False, description="true (plain tolerances are fractions of the expected number) or false"
    )

    @property
    def places(self) -> dict[str, Limit]:
        """The limits by place; empty when there is one for all."""
        given = self.tolerance if isinstance(self.tolerance, dict) else {}
        return {place: self._meant(limit) for place, limit in given.items()}

    @property
    def everywhere(self) -> Limit:
        """The one limit for all; none when they are given by place."""
        return NONE if isinstance(self.tolerance, dict) else self._meant(self.tolerance)

    def _meant(self, limit: float | Limit) -> Limit:
        if isinstance(limit, Limit):
            return limit
        return Limit(relative=limit) if self.relative else Limit(absolute=limit)
