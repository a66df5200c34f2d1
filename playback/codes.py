"""Short codes that a server makes up (`57DFIH`, `fkcsq8`): how they are built, as far as one replay knows, and which are alike.

A shape proves nothing here, since models and grades look the same: only what an answer gave, or what the recorded server is
known to have made, tells of a build. By chance some codes look like a word (`IOEPY`) or a word with a number (`fkcsq8`).
Of such a one nothing is learned; but it itself, once known to be made, may have become another code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from assembler.shapes import Piece, code_like, pieces
from playback.builds import code_build, sayable

__all__ = ["Codes"]

_CHANCE = re.compile(r"(?:[a-z\d]{4,12}|[A-Z\d]{4,12})")

_MEASURED = re.compile(r"\d+(?:[a-z]{1,2}|[kKMGT]i?[bB]|min|secs?|hrs?|days?)")
"""A number with its unit: `14ms`, `512KB`."""


class Codes:
    """What is known of the codes of one server."""

    def __init__(self) -> None:
        self._builds: set[tuple[int, str]] = set()
        self._wordy: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._builds or self._wordy)

    def copy(self) -> Codes:
        """The same, to come back to."""
        other = Codes()
        other._builds, other._wordy = set(self._builds), set(self._wordy)
        return other

    def expect(self, values: Iterable[str]) -> None:
        """Values that hold codes of the recorded server, or words."""
        for word in (word for value in values for word in re.findall(r"[A-Za-z0-9]+", value)):
            if code_like(word):
                self._builds.add(code_build(word))
            elif _CHANCE.fullmatch(word) and not word.isdigit():
                self._wordy.add(word)

    def learn(self, recorded: str, live: str) -> None:
        """A code that an answer gave, and what it gave in the recording."""
        if code_like(recorded) and recorded != live:
            self._builds |= {code_build(recorded), code_build(live)}

    def alike(self, recorded: str, live: str) -> bool:
        """True where both may be codes that the server made."""
        of_a_length = len(recorded) == len(live)
        in_one_case = _CHANCE.fullmatch(live) is not None and recorded.isupper() == live.isupper()
        if recorded in self._wordy and of_a_length and in_one_case and code_like(live):
            return True
        # Letters alone may be words, of which two that differ are a difference; what nobody can say is no word.
        marked = not sayable(recorded) or not sayable(live)
        # By chance one of two of a length has no letter.
        alike = len(recorded) == len(live)
        return (
            marked and {code_build(word) for word in (recorded, live) if not (alike and word.isdigit())} <= self._builds
        )

    def cut(self, cut: Iterable[Piece]) -> Iterator[Piece]:
        """A text cut up, its codes in one piece each: `26151D` is no number with a letter behind it."""
        plain = ""
        for piece in cut:
            if piece.kind in ("text", "int"):
                plain += piece.text
                continue
            yield from self._codes_in(plain)
            yield piece
            plain = ""
        yield from self._codes_in(plain)

    def _codes_in(self, plain: str) -> Iterator[Piece]:
        end = 0
        for match in re.finditer(r"[A-Za-z]*\d[A-Za-z0-9]*", plain):
            word = match.group()
            if code_build(word) in self._builds and code_like(word) and not _MEASURED.fullmatch(word):
                yield from pieces(plain[end : match.start()])
                yield Piece("code", word)
                end = match.end()
        yield from pieces(plain[end:])
