"""The chain through one writer's records, as it is found: where it does not fit, and which record is to blame.

Record n+1 carries the digest of record n. So one that was changed is told by the next one; where the next one does not fit
the one after it either, it is itself what was changed, and says nothing of the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from recorder.seal import Checkpoint, Seal

__all__ = ["Chain", "Fault", "Spot"]


class Spot(NamedTuple):
    """Where a record stands: bytes of a file's text, and what is there."""

    file: Path
    offset: int
    end: int
    writer: str
    sequence: int
    digest: str = ""


class Fault(NamedTuple):
    """What is wrong with a chain, and where; `end` is where the place ends that is meant."""

    kind: str
    spot: Spot
    message: str


@dataclass
class _Mismatch:
    """A record whose digest is not what was written down of it."""

    spot: Spot
    expected: str
    teller: Spot | None
    """The record that says so; None where it is a checkpoint, which is to be believed in any case."""


@dataclass
class Chain:
    """One writer's records, taken in the order of their files."""

    writer: str
    seal: Seal
    signed: Mapping[int, Checkpoint]
    """The checkpoints by the sequence of their record."""
    expired: int = 0
    """The last record that was lawfully removed because of its age."""
    faults: list[Fault] = field(default_factory=list)
    moved: list[tuple[Spot, int]] = field(default_factory=list)
    """Records that stand so many bytes away from where they were written."""
    first: Spot | None = None
    unsealed: Spot | None = None
    """The first record after the last checkpoint."""
    gaps: list[tuple[int, int, Spot, Spot]] = field(default_factory=list)
    """Missing from and to, between two records that are there."""
    _copies: list[Spot] = field(default_factory=list)
    """The newest record, in each file that holds it."""
    _mismatches: list[_Mismatch] = field(default_factory=list)
    _attested: set[int] = field(default_factory=set)

    @property
    def last(self) -> Spot | None:
        """The newest record."""
        return self._copies[-1] if self._copies else None

    def take(self, spot: Spot, chain: object) -> None:
        """The next record, with what it carries as `chain`."""
        at, expected = _parts(chain)
        if expected is None:
            self.faults.append(Fault("altered", spot, "it lacks its place in the chain of its writer"))
        elif not self._copies:
            self._begin(spot, expected)
        elif spot.sequence == self._copies[-1].sequence + 1:
            self._judge(expected, spot)
            self._place(at)
        elif spot.sequence > self._copies[-1].sequence:
            self._skip(spot, expected)
            self._place(at)
        self._copies = [spot]
        self.first = self.first or spot
        if spot.sequence > max(self.signed, default=0):
            self.unsealed = self.unsealed or spot
        elif (checkpoint := self.signed.get(spot.sequence)) is not None:
            self._judge(checkpoint.digest, None)

    def copy(self, spot: Spot) -> bool:
        """The newest record once more, in another file; False when it is another one."""
        if not self._copies or spot.sequence != self._copies[-1].sequence:
            return False
        self._copies.append(spot)
        if (checkpoint := self.signed.get(spot.sequence)) is not None and spot.digest != checkpoint.digest:
            self._mismatches.append(_Mismatch(spot, checkpoint.digest, None))
        return True

    def close(self, lawful: Callable[[str, str], bool]) -> Iterator[Fault]:
        """Everything that is wrong. `lawful` says whether a digest became another one by a redaction."""
        yield from self.faults
        wrong = [each for each in self._mismatches if not lawful(each.spot.digest, each.expected)]
        for spot in dict.fromkeys(_blamed(wrong, self.signed)):
            yield Fault("altered", spot, "it is not what was written")
        if self.last is not None:
            newest = self.signed.get(self.last.sequence)
            if newest is not None and all(spot.offset != newest.offset for spot in self._copies):
                self.moved.append((self.last, self.last.offset - newest.offset))
            cut = max(self.signed, default=0)
            if cut > self.last.sequence:
                end = self.last._replace(offset=self.last.end, end=max(self.last.end, self.signed[cut].offset))
                missing = _span(self.last.sequence + 1, cut)
                yield Fault("cut", end, f"{missing} of its writer, of which a checkpoint tells, should follow here")

    def _begin(self, spot: Spot, expected: str) -> None:
        if spot.sequence == 1:
            if expected != self.seal.beginning(self.writer):
                self.faults.append(Fault("altered", spot, "it is not the beginning of its writer's chain"))
        elif spot.sequence > self.expired + 1:
            missing = _span(self.expired + 1, spot.sequence - 1)
            lost = "; it could not write them" if expected == self.seal.beginning(self.writer) else ""
            self.faults.append(Fault("gap", spot, f"{missing} of its writer should stand before it{lost}"))

    def _skip(self, spot: Spot, expected: str) -> None:
        """Records are missing before this one. Where it ties to the one before them, their writer lost them itself."""
        before = self._copies[-1]
        if any(copy.digest == expected for copy in self._copies):
            self._attested.add(spot.sequence)
        self.gaps.append((before.sequence + 1, spot.sequence - 1, before, spot))

    def lost_by_writer(self, spot: Spot) -> bool:
        """Whether the writer itself could not write what is missing before a record."""
        return spot.sequence in self._attested

    def _judge(self, expected: str, teller: Spot | None) -> None:
        self._mismatches.extend(_Mismatch(copy, expected, teller) for copy in self._copies if copy.digest != expected)

    def _place(self, at: int | None) -> None:
        if at is not None and all(copy.offset != at for copy in self._copies):
            self.moved.append((self._copies[-1], self._copies[-1].offset - at))


def _blamed(mismatches: list[_Mismatch], signed: Mapping[int, Checkpoint]) -> Iterator[Spot]:
    """Which records were changed, where the digests of these do not fit."""
    refuted = {each.spot.sequence for each in mismatches if each.teller is None}
    sound = signed.keys() - refuted
    told = {each.spot.sequence for each in mismatches if each.teller is not None}
    for each in mismatches:
        if each.teller is None:
            yield each.spot
        elif each.spot.sequence in sound:
            yield each.teller
        elif each.spot.sequence + 1 not in told | refuted or each.spot.sequence - 1 in told:
            yield each.spot


def _parts(chain: object) -> tuple[int | None, str | None]:
    if isinstance(chain, list) and len(chain) == 2 and isinstance(chain[1], str):
        return chain[0] if isinstance(chain[0], int) else None, chain[1]
    return None, None


def _span(first: int, last: int) -> str:
    return f"record {first}" if first == last else f"records {first} to {last}"
