"""Known values are found as one pattern of them all would find them."""

from __future__ import annotations

import random
import re

from playback.known_values import KnownValues


def by_pattern(names: list[str], text: str) -> list[tuple[int, int]]:
    """What one regular expression finds: the first place, and of those that begin there the longest."""
    ranked = sorted(names, key=len, reverse=True)
    pattern = "|".join(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])" for name in ranked)
    return [match.span() for match in re.finditer(pattern, text)]


def test_they_are_found_as_by_a_pattern() -> None:
    dice = random.Random(7)
    found = 0
    for _ in range(3000):
        names = list({"".join(dice.choices("ab1-/é", k=dice.randint(1, 6))) for _ in range(dice.randint(1, 12))})
        text = "".join(dice.choices("ab1-/é ", k=40))
        known = KnownValues()
        for number, name in enumerate(names):
            (known.setdefault if number % 2 else known.__setitem__)(name, "live")
        assert list(known.copy().places(text)) == by_pattern(names, text)
        found += len(by_pattern(names, text))
    assert found > 3000


def test_a_copy_goes_on_alone() -> None:
    known = KnownValues()
    known["one"] = "1"
    other = known.copy()
    other["eleven"] = "11"
    assert [*known.places("one eleven")] == [(0, 3)]
    assert [*other.places("one eleven")] == [(0, 3), (4, 10)]
    assert other.setdefault("one", "2") == "1"
