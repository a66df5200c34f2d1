"""`json_tolerance`: `json_exact` with a tolerance for numbers, one for all or by place.

    params:
      tolerance:
        /outlets/*/runoff: 0.01   # `*` stands for any part of one key or index
        /**/mean: 1e-6            # `**` for any number of them
      relative: false

The first pattern that fits a number's JSON pointer decides; a number that none fits must be equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import Field

from .comparison import Comparator, Comparison
from .json_documents import compare_documents
from .numeric import same_number
from .params import TOLERANCE, Params, Tolerance

_Pattern = Annotated[str, Field(pattern="^/")]


class JsonToleranceParams(Params):
    """How far numbers may be apart."""

    tolerance: Tolerance | dict[_Pattern, Tolerance] = Field(
        default=0.0,
        description=f"{TOLERANCE}, or a mapping of such numbers by JSON pointer pattern, as in /outlets/*/runoff",
    )
    relative: bool = Field(default=False, description="true (a fraction of the expected number) or false")


def _judge(expected: Path, actual: Path, params: JsonToleranceParams, artifacts: Path | None) -> Comparison:
    tolerance = _by_pointer(params.tolerance)
    return compare_documents(
        expected,
        actual,
        lambda pointer, left, right: same_number(left, right, tolerance(pointer), params.relative),
    )


def _by_pointer(tolerance: float | dict[str, float]) -> Callable[[str], float]:
    if not isinstance(tolerance, dict):
        return lambda pointer: tolerance
    patterns = [(re.compile(_regex(pattern)), limit) for pattern, limit in tolerance.items()]
    return lambda pointer: next((limit for regex, limit in patterns if regex.fullmatch(pointer)), 0.0)


def _regex(pattern: str) -> str:
    return "".join(
        "(?:/[^/]*)*" if part == "**" else "/" + re.escape(part).replace(r"\*", "[^/]*")
        for part in pattern.split("/")[1:]
    )


COMPARATOR = Comparator(JsonToleranceParams, _judge)
