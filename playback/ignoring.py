"""Which ignore rule covers a difference. In a rule `*` stands for any text; `[*]` is a star itself.

Everything else is literal: places hold brackets and question marks of their own (`body:/items[0]`, `body:/why?`), and a
rule copied from a report must mean that place and no other.
"""

from __future__ import annotations

import re
from functools import lru_cache

from assembler.profile import Ignore

__all__ = ["applies", "literal"]


def applies(rule: Ignore, step: str, where: str) -> bool:
    """True when `rule` covers the place `where` of the answer to `step`."""
    return _covers(rule.step, step) and _covers(rule.where, where)


def literal(text: str) -> str:
    """The rule that covers `text` alone."""
    return text.replace("*", "[*]")


def _covers(pattern: str, text: str) -> bool:
    return _pattern(pattern).fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _pattern(rule: str) -> re.Pattern[str]:
    parts = re.split(r"(\[\*\]|\*)", rule)
    return re.compile("".join({"*": ".*", "[*]": r"\*"}.get(p, re.escape(p)) for p in parts), re.DOTALL)
