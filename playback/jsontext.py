"""JSON that every reader takes, whatever an application answered with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

__all__ = ["dumps"]


def dumps(document: Any, indent: int | None = None) -> str:
    """`document` as JSON in ASCII: lone surrogates escaped, NaN and infinities as strings, anything odd by `str`."""
    try:
        return json.dumps(document, indent=indent, allow_nan=False, default=str)
    except ValueError:
        return json.dumps(_finite(document), indent=indent, allow_nan=False, default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return value
