"""`json_tolerance`: `json_exact` with a tolerance for numbers, one for all or by place.

    params:
      tolerance:
        /outlets/*/runoff: 0.01   # `*` stands for any part of one key or index
        /**/mean: {relative: 1e-6}   # `**` for any number of them; `absolute` and `relative`: within either is enough
      relative: false             # true: plain numbers are fractions of the expected one

The first pattern that fits a number's JSON pointer decides; a number that none fits must be equal. When the comparison
fails and a pattern fitted no number, the details say so, with the nearest of the places that differ.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from pathlib import Path

from pydantic import field_validator
from pydantic_core import PydanticCustomError

from .comparison import Comparator, Comparison, excerpt
from .json_documents import compare_documents
from .params import UNFIT
from .tolerances import Limit, Tolerant


class JsonToleranceParams(Tolerant):
    """How far numbers may be apart, in all places or by patterns of JSON pointers."""

    @field_validator("tolerance")
    @classmethod
    def _pointers(cls, tolerance: object) -> object:
        for pattern in tolerance if isinstance(tolerance, dict) else ():
            if not pattern.startswith("/"):
                said = f"param '{{}}' must name places by JSON pointer, as in /outlets/*/runoff, not {pattern!r}; "
                said += f"did you mean {'/' + pattern.lstrip('$').replace('.', '/').lstrip('/')!r}?"
                raise PydanticCustomError(UNFIT, "{said}", {"said": said})
        return tolerance


def _judge(expected: Path, actual: Path, params: JsonToleranceParams, artifacts: Path | None) -> Comparison:
    limits = _Limits(params)
    outcome = compare_documents(expected, actual, limits.allow)
    if outcome.result == "passed":
        return outcome
    return replace(outcome, details=[*outcome.details, *limits.unused()])


class _Limits:
    """The limit of each place, and which patterns were never needed."""

    def __init__(self, params: JsonToleranceParams) -> None:
        self._everywhere = params.everywhere
        self._patterns = {pattern: (re.compile(_regex(pattern)), limit) for pattern, limit in params.places.items()}
        self._used: set[str] = set()
        self._refused: list[str] = []

    def allow(self, pointer: str, expected: float, actual: float) -> bool:
        """Whether two numbers at `pointer` are equal."""
        allowed = self._limit(pointer).allows(expected, actual)
        if not allowed and len(self._refused) < 100:
            self._refused.append(pointer)
        return allowed

    def unused(self) -> list[str]:
        """A sentence for each pattern that fitted no number: one misspelt is why a comparison failed."""
        sentences = []
        for pattern in self._patterns:
            if pattern not in self._used:
                near = difflib.get_close_matches(pattern, self._refused, 1, 0.0)
                meant = f"; did you mean {excerpt(near[0])!r}?" if near else "."
                sentences.append(f"The tolerance for {excerpt(pattern)!r} fitted no number{meant}")
        return sentences

    def _limit(self, pointer: str) -> Limit:
        for pattern, (regex, limit) in self._patterns.items():
            if regex.fullmatch(pointer):
                self._used.add(pattern)
                return limit
        return self._everywhere


def _regex(pattern: str) -> str:
    return "".join(
        "(?:/[^/]*)*" if part == "**" else "/" + re.escape(part).replace(r"\*", "[^/]*")
        for part in pattern.split("/")[1:]
    )


COMPARATOR = Comparator(JsonToleranceParams, _judge)
