"""Where values that are to go stand in a text, in whichever escaping: as sent, in a page, a script, an address, base64."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from urllib.parse import quote, quote_plus, unquote

from recorder.known import Known

__all__ = ["Sought"]


_LONG = 12
"""Characters of a value that is looked for inside of base64, too; of a shorter one hardly anything is left there."""


class Sought:
    """The values of `names` (value → what stands for it). Those shorter than `word` count only where they stand alone."""

    def __init__(self, names: Mapping[str, str], word: int) -> None:
        # A spelling may itself be spelled another way: JSON in base64, a page in JSON.
        self._long = [
            Known(spelled, name)
            for value, name in names.items()
            if len(value) >= _LONG
            for spelled in _spellings(value)
        ]
        self._short = [(_pattern(value, word), name) for value, name in names.items() if 0 < len(value) < _LONG]

    def find(self, text: str) -> list[tuple[int, int, str]]:
        """Start, end and name of each, in order. Where several begin the longest counts, and nothing counts twice."""
        found = [(*span, known.pseudonym) for known in self._long for span in known.find(text)]
        found += [(*match.span(), name) for pattern, name in self._short for match in pattern.finditer(text)]
        kept: list[tuple[int, int, str]] = []
        for start, end, name in sorted(found, key=lambda f: (f[0], -f[1])):
            if not kept or start >= kept[-1][1]:
                kept.append((start, end, name))
            elif end > kept[-1][1]:  # two spellings of one value overlap: what is left of the second would stay
                kept[-1] = (kept[-1][0], end, kept[-1][2])
        return kept


def _pattern(value: str, word: int) -> re.Pattern[str]:
    spelled = "|".join(map(re.escape, _spellings(value)))
    return re.compile(rf"(?<![^\W_])(?:{spelled})(?![^\W_])" if len(value) < word else spelled)


def _spellings(value: str) -> list[str]:
    """A value as a request, a page or a script may write it, the longest first."""
    found = {
        value,
        quote(value, safe=""),
        quote_plus(value),
        unquote(value),
        html.escape(value),
        json.dumps(value)[1:-1],
    }
    return sorted(found - {""}, key=lambda spelled: (-len(spelled), spelled))
