"""Read a log that is being written and rotated: every line of every generation, each once, as far as it is there.

How far a generation was read is remembered with its identity, so it does not matter what its file is called at the next
look, whether it was compressed meanwhile, or whether the live file was copied and truncated.
"""

from __future__ import annotations

import bisect
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from recorder.generations import BrokenFileError, File, First, Generations, Stamp, chunks, cut

__all__ = ["Block", "Generation", "Reader", "Seen"]

HELD = 64  # files that are kept open, where each process has one of its own
_LOOKS = 10
_ALL = 1 << 62  # an offset behind every end


class Generation:
    """One file's worth of a log, and how far it was read: `offset` bytes of its text."""

    __slots__ = ("file", "first", "number", "offset", "problem", "read", "unfinished")

    def __init__(self, number: int, first: First, file: File) -> None:
        self.number = number
        self.first = first
        self.file = file
        self.offset = 0
        self.read: Stamp | None = None
        """The compressed file that was read, to its end or until it broke off."""
        self.problem: str | None = None
        self.unfinished = -1
        """Where the last look found a line without its end."""

    @property
    def unread(self) -> bool:
        """Whether its file held more when it was looked at: a line without its end."""
        return self.file.compression is None and self.offset < self.file.stamp.size


class Block(NamedTuple):
    """Lines of a generation that begin at its offset, without their newlines.

    Whoever takes it moves the offset on: by the length of each line and its newline, the last line's included even
    where it has none.
    """

    generation: Generation
    lines: list[bytes]


class _MovedError(Exception):
    """A file went elsewhere between the look and the opening."""


class Reader:
    """How far one log was read, in all its generations."""

    def __init__(self, log: Path, *, hold: bool = False) -> None:
        """With `hold`, files that grow are kept open, so that their ends are read even when they are moved away or removed."""
        self.generations: list[Generation] = []
        self.problems: dict[str, str] = {}
        """What could not be read: file name to reason, as of the last look."""
        self._by_id: dict[str, Generation] = {}
        self._files = Generations(log)
        self._through = False
        """Whether the last look was read to the end."""
        self._hold = hold
        self._held: dict[str, tuple[Generation, BinaryIO]] = {}

    def blocks(self, *, rest: bool = False) -> Iterator[Block]:
        """What the log gained since the last call, the oldest generation first.

        An unfinished line waits for its end; in a file that gets no more, or with `rest`, it is taken as it is. A log
        that is not there has nothing. Raises OSError when the live file cannot be read.
        """
        if self._through and self._files.quiet():
            return
        self._through = False
        for _ in range(_LOOKS):
            try:
                looked = self._look()
                if self._hold:
                    yield from self._last_of_held(looked)
                for generation in looked:
                    yield from self._gained(generation, rest)
                self._through = not any(generation.unread for generation in looked)
                return
            except _MovedError:
                continue

    def close(self) -> None:
        """Let go of the files that are held."""
        while self._held:
            self._held.popitem()[1][1].close()

    def _last_of_held(self, looked: list[Generation]) -> Iterator[Block]:
        """The ends of files that are held and nowhere to be seen any more; then those are held that grow now."""
        growing = {each.file.path: each for each in looked if each.file.grows and each.file.compression is None}
        seen, there = {each.first.id for each in looked}, {each.file.stamp[:2] for each in looked}
        for id, (generation, text) in list(self._held.items()):
            followed = generation.file.path in growing  # whoever wrote it writes another by now
            if id not in seen:
                status = os.fstat(text.fileno())
                if (status.st_dev, status.st_ino) not in there:
                    text.seek(generation.offset)
                    yield from _lines(generation, chunks(text), final=followed)
            if followed and growing[generation.file.path] is not generation:
                self._held.pop(id)[1].close()
        for generation in growing.values():
            if generation.first.id not in self._held:
                self._held[generation.first.id] = (generation, _open(generation.file))
        while len(self._held) > HELD:
            self._held.pop(next(iter(self._held)))[1].close()

    def resume(
        self, id: str, offset: int, others: Iterable[tuple[str, int]] = (), begun: tuple[str, int] | None = None
    ) -> None:
        """Go on where an earlier reader was: at `offset` of the generation of this identity.

        What is certainly older counts as read. When the generation has gone, all that is there is newer. Of files that
        have one writer each, `others` tells how far they were read: identity and offset. One that it does not name is read
        from its beginning; with `begun` it counts as read if it is not younger than the file of that identity, and was not
        changed since that moment (nanoseconds since 1970).
        """
        looked, read = self._look(), dict(others)
        here = next((generation for generation in looked if generation.first.id == id), None)
        youngest = next((at for at, each in enumerate(looked) if begun and each.first.id == begun[0]), -1)
        for at, generation in enumerate(looked):
            if generation.first.id in read:
                generation.offset = read[generation.first.id]
            elif generation.file.own:
                if begun is not None and at <= youngest and generation.file.stamp.changed_ns < begun[1]:
                    generation.offset = _ALL
            elif here and generation.first.certainly_before(here.first):
                generation.offset = _ALL
        if here:
            here.offset = offset

    def _look(self) -> list[Generation]:
        """The generations that are there, the oldest first."""
        found: dict[str, File] = {}
        self.problems = {}
        for file in self._files.look():
            if file.problem:
                self.problems[file.path.name] = file.problem
            if file.first:
                other = found.pop(file.first.id, file)
                found[file.first.id] = max(file, other, key=lambda each: each.rank)
        looked = [self._known(file, first) for file in found.values() if (first := file.first)]
        for generation in looked:
            if generation.problem and generation.read == generation.file.stamp:
                self.problems[generation.file.path.name] = generation.problem
        return looked

    def _known(self, file: File, first: First) -> Generation:
        generation = self._by_id.get(first.id)
        if generation is None:
            generation = self._by_id[first.id] = Generation(len(self.generations), first, file)
            self.generations.append(generation)
        generation.file = file
        return generation

    def _gained(self, generation: Generation, rest: bool) -> Iterator[Block]:
        file = generation.file
        if generation.offset == _ALL:
            return
        if file.compression:
            if generation.read != file.stamp:
                yield from self._compressed(generation, file)
            return
        size = file.stamp.size
        if file.grows and size + 1 < generation.offset:
            generation.offset = 0  # cut short by somebody, and not begun anew
        if not generation.unread:
            return
        with _open(file) as text:
            text.seek(generation.offset)
            final = rest or (not file.grows and generation.unfinished == size)
            yield from _lines(generation, chunks(text, size - generation.offset), final)
        generation.unfinished = size

    def _compressed(self, generation: Generation, file: File) -> Iterator[Block]:
        generation.problem = None
        try:
            with _open(file) as text:
                if not _ends_at(file, generation.offset):
                    yield from _lines(generation, _from(chunks(text), generation.offset), final=True)
        except BrokenFileError as error:
            generation.problem = f"it breaks off after {generation.offset} bytes of text ({error})"
            self.problems[file.path.name] = generation.problem
        generation.read = file.stamp


def _open(file: File) -> BinaryIO:
    text = file.opened()
    if text is None:
        raise _MovedError
    return text


def _ends_at(file: File, offset: int) -> bool:
    """Whether a gzip file holds as many bytes of text as were read: it says so at its end (RFC 1952), modulo 2³²."""
    if file.compression != "gzip" or not offset:
        return False
    with file.path.open("rb") as raw:
        raw.seek(-4, os.SEEK_END)
        return (offset - int.from_bytes(raw.read(4), "little")) % (1 << 32) in (0, 1)


def _from(text: Iterator[bytes], offset: int) -> Iterator[bytes]:
    """What follows after `offset` bytes."""
    for chunk in text:
        if offset < len(chunk):
            yield chunk[offset:] if offset else chunk
        offset = max(0, offset - len(chunk))


def _lines(generation: Generation, text: Iterator[bytes], final: bool) -> Iterator[Block]:
    for offset, lines in cut(text, generation.offset, final=final):
        generation.offset = offset
        yield Block(generation, lines)


class Seen:
    """Which records were taken, by writer and sequence. Small, since sequences have no gaps but losses."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        """The highest sequence of each writer whose records came in order; the next one is new."""
        self._stretches: dict[str, list[list[int]]] = {}

    def again(self, writer: object, sequence: object) -> bool:
        """Whether this record was taken before; takes it."""
        if not isinstance(writer, str) or not isinstance(sequence, int):
            return False
        if self.last.get(writer) == sequence - 1:
            self.last[writer] = sequence
            return False
        stretches = self._stretches.setdefault(writer, [])
        last = self.last.pop(writer, None)
        if last is not None:
            stretches[-1][1] = last
        at = bisect.bisect_right(stretches, [sequence, 1 << 62])
        if at and sequence <= stretches[at - 1][1]:
            again = True
        elif at and sequence == stretches[at - 1][1] + 1:
            stretches[at - 1][1], again = sequence, False
        else:
            stretches.insert(at, [sequence, sequence])
            again = False
        # While nothing above was taken, the next in order is told to be new without a look here.
        self.last[writer] = stretches[-1][1]
        return again
