"""Lists whose order says nothing: a set of texts leaves a Python process in the order of its hashes, another in each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

__all__ = ["matched", "matched_text"]

_SET = re.compile(
    r"(?:^|[/:_-])(?:permissions|principals|scopes?|roles|grants|privileges|capabilities|allow|methods|tags|labels|keywords|groups)(?:/[^/]*)?$",
    re.IGNORECASE,
)
_HEADER = re.compile(r"(?:Allow|Vary|Access-Control-(?:Allow|Expose)-(?:Headers|Methods))", re.IGNORECASE)


def matched(where: str, recorded: Sequence[Any], live: Sequence[Any]) -> Sequence[Any]:
    """`live` with equal texts across from each other, where the place's name says that a list is a set.

    Members that have no equal keep their order. Lists under any other name stay as they are: there, order is meant.
    """
    if list(recorded) == list(live) or not _SET.search(where):
        return live
    return _across(recorded, live) if all(isinstance(v, str) for v in (*recorded, *live)) else live


def matched_text(name: str, recorded: str, live: str) -> str:
    """The same for the headers that are lists of names without order (RFC 9110), as batch answers show them."""
    if recorded == live or not _HEADER.fullmatch(name):
        return live
    return ", ".join(_across(re.split(r",\s*", recorded), re.split(r",\s*", live)))


def _across(recorded: Sequence[str], live: Sequence[str]) -> Sequence[str]:
    if len(recorded) != len(live) or len(set(recorded)) != len(recorded) or len(set(live)) != len(live):
        return live
    others = iter([v for v in live if v not in recorded])
    return [v if v in live else next(others) for v in recorded]
