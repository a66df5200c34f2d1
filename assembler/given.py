"""What the answers of a recording gave to which client: an index of the words they hold and of the numbers they name."""

from __future__ import annotations

import html
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from assembler.clients import Owner
from assembler.extractors import Answer
from assembler.mentions import mentioned, sought
from assembler.nouns import Wanted
from assembler.recording import Exchange
from assembler.shapes import SECRET, looks_opaque

__all__ = ["Given"]

_WORD = re.compile(r"[A-Za-z0-9]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_NEVER_ESCAPED = re.compile(r"[\w.~-]+", re.ASCII)
"""What stands in a page, an address and a document as it is."""


class Given:
    """Grows with the lists it is made of: exchanges, the addresses that say what each is about, who sent it, and the answers,
    all of one order."""

    def __init__(
        self, exchanges: Sequence[Exchange], paths: Sequence[str], owners: Sequence[Owner], answers: Sequence[Answer]
    ) -> None:
        self._exchanges = exchanges
        self._paths = paths
        self._owners = owners
        self._answers = answers
        self._words: dict[str, list[int]] = defaultdict(list)
        self._mentions: dict[tuple[str, str], list[int]] = defaultdict(list)

    def add(self, number: int) -> None:
        """Take in the answer of exchange `number`."""
        answer = self._answers[number]
        words: set[str] = set(_WORD.findall(answer.text or ""))
        for _, value in answer.headers:
            words.update(_WORD.findall(value))
            if "%" in value:
                words.update(_WORD.findall(unquote(value)))
        if answer.text and "%" in answer.text:
            words.update(_WORD.findall(unquote(answer.text)))
        for word in words:
            self._words[word].append(number)
        for mention in set(mentioned(answer, self._paths[number])):
            self._mentions[mention].append(number)

    def holding(self, value: str, before: int, *, latest: bool = False) -> Iterator[int]:
        """Exchanges whose answer was complete before `before` began and holds `value`, oldest or latest first.

        The window's own answers come before those of the prologue.
        """
        words = _WORD.findall(value)
        if not words:
            return
        postings = min((self._words.get(word, ()) for word in words), key=len)
        if not (known := postings[: bisect_left(postings, before)]):
            return
        rare = bool(SECRET.fullmatch(value) or looks_opaque(value) or _UUID.fullmatch(value))
        for captured in (True, False):
            for number in reversed(known) if latest else known:
                if (
                    self._exchanges[number].captured is captured
                    and self.known(number, before, rare)
                    and self._holds(number, value)
                ):
                    yield number

    def mentioning(self, wanted: Wanted, until: int, before: int) -> list[int]:
        """Exchanges up to `until` whose answer may prove something of a number that `before` sent, in order."""
        places = {number for word in sought(wanted) for number in self._mentions.get((word, wanted.value), ())}
        return sorted(n for n in places if n < until and self.known(n, before, rare=False))

    def known(self, number: int, before: int, rare: bool) -> bool:
        """True when what the answer `number` said was known to the client of `before`, and may be what it meant.

        From before the window, only answers to the same client count, and only for values that nothing else can be:
        a word or a counted id may stand in any earlier recording of the same log.
        """
        given, asked = self._exchanges[number], self._exchanges[before]
        if not given.captured and not (
            self._owners[number].client == self._owners[before].client and (rare or not asked.captured)
        ):
            return False
        return given.before(asked)

    def _holds(self, number: int, value: str) -> bool:
        answer = self._answers[number]
        text = answer.text or ""
        if value in text or any(value in v or value in unquote(v) for _, v in answer.headers):
            return True
        if _NEVER_ESCAPED.fullmatch(value):
            return False
        return (
            ("&" in text and value in html.unescape(text))
            or ("%" in text and value in unquote(text))
            or ("\\" in text and value in str(answer.json))
        )
