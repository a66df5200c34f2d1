"""The counted ids that each client has sent so far, by what they count.

Where the place of a number says nothing of it (`/csv/7` after `/studies/7`), it is an id the client has been working with:
when only one kind of thing had that number, and none of the kind that the place names was ever seen.
"""

from __future__ import annotations

from collections import defaultdict

from assembler.parts import Ref

__all__ = ["Kinds"]


class Kinds:
    """What is known of the numbers of all clients. Each client's are its own."""

    def __init__(self) -> None:
        self._refs: dict[tuple[str, str], dict[str, Ref]] = defaultdict(dict)
        self._nouns: set[tuple[str, str]] = set()

    def learn(self, client: str, noun: str, number: str, ref: Ref) -> None:
        """`client` sent `number` as the id of a `noun`, and had it from `ref`."""
        self._refs[client, number][noun] = ref
        if noun.isalpha():
            self._nouns.add((client, noun))

    def only(self, client: str, noun: str, number: str) -> Ref | None:
        """Where `number` came from, when the client knows but one thing of that number, and no other `noun`."""
        sources = set(self._refs.get((client, number), {}).values())
        if len(sources) != 1 or (client, noun) in self._nouns:
            return None
        return next(iter(sources))
