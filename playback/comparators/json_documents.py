"""Reading and walking two JSON documents; what `json_exact` and `json_tolerance` share."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path

from .comparison import Comparison, Differences, counted, reading
from .numeric import deviation, is_number

SameNumber = Callable[[str, float, float], bool]


class _Absent:
    """Stands where one document has a key or item and the other has none. Not None: that is JSON's null."""


_ABSENT = _Absent()


def compare_documents(expected: Path, actual: Path, same: SameNumber) -> Comparison:
    """Compare two JSON files value by value; `same(pointer, expected, actual)` judges numbers.

    Objects compare whatever the order of their keys, 1 equals 1.0, true does not equal 1. Differences are named by
    JSON pointer (RFC 6901). Raises Unreadable for what is not JSON (RFC 8259, and NaN and Infinity as Python and
    JavaScript tools write them), or repeats a key, since readers disagree on what that means.
    """
    differences = Differences()
    compared = 0
    # A stack of our own: documents may nest as deep as the parser allows, which is as deep as Python can recurse.
    pending: list[tuple[str, object, object]] = [("", _load(expected), _load(actual))]
    while pending:
        pointer, left, right = pending.pop()
        if isinstance(left, dict) and isinstance(right, dict):
            keys = {**left, **right}
            members = [(_step(pointer, key), left.get(key, _ABSENT), right.get(key, _ABSENT)) for key in keys]
            pending.extend(reversed(members))
        elif isinstance(left, list) and isinstance(right, list):
            pairs = enumerate(zip_longest(left, right, fillvalue=_ABSENT))
            pending.extend(reversed([(_step(pointer, str(index)), *pair) for index, pair in pairs]))
        elif is_number(left) and is_number(right):
            compared += 1
            if not same(pointer, left, right):
                differences.add(pointer or "the root", repr(left), repr(right), deviation(left, right))
        else:
            compared += 1
            if type(left) is not type(right) or left != right:
                differences.add(pointer or "the root", _shown(left), _shown(right))
    return differences.judge(f"No difference in {counted(compared, 'value')}.")


def _load(path: Path) -> object:
    with reading(path, "JSON", ValueError, RecursionError):
        return json.loads(path.read_bytes(), object_pairs_hook=_object)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        (repeated, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"an object repeats the key {repeated!r}")
    return members


def _step(pointer: str, key: str) -> str:
    return f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"


def _shown(value: object) -> str:
    if isinstance(value, _Absent):
        return "nothing"
    if isinstance(value, dict):
        return f"an object of {counted(len(value), 'key')}"
    if isinstance(value, list):
        return f"an array of {counted(len(value), 'item')}"
    return json.dumps(value, ensure_ascii=False)
