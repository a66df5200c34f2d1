"""What the recorder itself leaves in an application: the cause of a job, in the job's `meta`, which dashboards show.

An instance that is not recorded has none, and another recording has another; it is no work of the application.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["KEY", "is_mark", "without_mark"]

KEY = "recorder"
_MARK = r"""(["'])recorder\1:\s*\{\s*\1v\1:\s*\d+,\s*\1operation_id\1:(?:[^{}]|\{[^{}]*\})*\}"""
_IN_TEXT = re.compile(rf"{_MARK},\s*|(?:,\s*)?" + _MARK.replace(r"\1", r"\2"))


def is_mark(value: Any) -> bool:
    """True for what the recorder writes under `recorder`."""
    return isinstance(value, dict) and "v" in value and "operation_id" in value


def without_mark(text: str) -> str:
    """A text that shows a job's `meta`, as JSON or as Python writes it, without the recorder's part."""
    return _IN_TEXT.sub("", text) if "operation_id" in text else text
