"""Objects keyed by ids: which recorded key is which live one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from playback.wording import shape

__all__ = ["paired"]


def paired(
    recorded: Mapping[str, Any], live: Mapping[str, Any], missing: Sequence[str], extra: Sequence[str]
) -> list[tuple[str, str]]:
    """The keys that differ, put together by what stands under them where that tells them apart, else in their order.

    Random ids sort anew in every run; counted ones keep their order.
    """
    before, after = {_build(recorded[k]): k for k in missing}, {_build(live[k]): k for k in extra}
    counted = all(key.isdigit() for key in (*missing, *extra))
    if counted or len(before) != len(missing) or before.keys() != after.keys():
        return list(zip(missing, extra, strict=True))
    return [(key, after[build]) for build, key in before.items()]


def _build(value: Any) -> str:
    """What a value says, ids and numbers aside."""
    return shape(json.dumps(value, sort_keys=True, default=str))
