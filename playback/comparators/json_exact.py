"""`json_exact`: the same JSON values, whatever the order of keys, the spacing and the way a number is written."""

from __future__ import annotations

from pathlib import Path

from .comparison import Comparator, Comparison
from .json_documents import compare_documents
from .numeric import same_number
from .params import Params


def _judge(expected: Path, actual: Path, params: Params, artifacts: Path | None) -> Comparison:
    return compare_documents(expected, actual, lambda _, left, right: same_number(left, right))


COMPARATOR = Comparator(Params, _judge)
