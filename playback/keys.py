"""Objects keyed by ids: which recorded key is which live one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from playback.wording import shape

__all__ = ["paired"]


def paired(
    recorded: Mapping[str, Any], live: Mapping[str, Any], missing: Sequence[str], extra: Sequence[str], known: Mapping[str, str]
) -> list[tuple[str, str]]:
    """The keys that differ, put together: those that are `known` to stand for each other, then by what stands under them
    where that tells them apart, else in their order.

    Random ids sort anew in every run; counted ones keep their order.
    """
    sure = [(was, known[was]) for was in missing if known.get(was) in extra]
    missing = [key for key in missing if key not in dict(sure)]
    extra = [key for key in extra if key not in {now for _, now in sure}]
    before, after = {_build(k, recorded[k]): k for k in missing}, {_build(k, live[k]): k for k in extra}
    counted = all(key.isdigit() for key in (*missing, *extra))
    if counted or len(before) != len(missing) or before.keys() != after.keys():
        return [*sure, *zip(missing, extra, strict=True)]
    return [*sure, *((key, after[build]) for build, key in before.items())]


def _build(key: str, value: Any) -> str:
    """What a value says, ids and numbers and its own key aside."""
    return shape(json.dumps(value, sort_keys=True, default=str).replace(key, "#"))
