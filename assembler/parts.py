"""What a request is made of when it is replayed: literal text, values from earlier answers, secrets, values made anew."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from assembler.profile import Extract
from assembler.slots import Slot

__all__ = [
    "CHALLENGE",
    "UUID_ENDING",
    "VERIFIER",
    "WEAK_ENDING",
    "Extraction",
    "Filled",
    "Generated",
    "Part",
    "Ref",
    "Secret",
    "Unnamed",
    "generated",
    "minted",
    "refused",
    "verifier_of",
]


@dataclass(frozen=True)
class Ref:
    """A value taken from the answer of exchange `source` under `name`."""

    source: int
    name: str


@dataclass(frozen=True)
class Secret:
    """A value that only the user's environment knows: `{{ secrets.NAME }}`."""

    name: str


@dataclass(frozen=True)
class Generated:
    """A value that the client makes anew for each run: `{{ generated.NAME }}`."""

    name: str


@dataclass(frozen=True)
class Unnamed:
    """A secret that no answer gave, and the slot it was sent in: it gets its name when the whole recording is known."""

    hexadecimal: str
    place: str
    name: str


def generated(cookie: str) -> Generated:
    """The value that a client makes for a cookie of its own."""
    return Generated(re.sub(r"[^A-Za-z0-9_]", "_", cookie))


def minted(name: str, count: int, *, is_uuid: bool) -> Generated:
    """The `count`-th value of a header that the client makes anew for each request it means."""
    base = re.sub(r"[^a-z0-9]+", "_", name) + (f"_{count}" if count > 1 else "")
    return Generated(base + UUID_ENDING if is_uuid else base)


def verifier_of(challenge: Generated) -> Generated:
    """The secret that a generated challenge proves."""
    return Generated(challenge.name.replace(CHALLENGE, VERIFIER, 1))


def refused(field: str, hexadecimal: str, *, weak: bool) -> Generated:
    """What stands for a secret that no request brought through, sent as `field`."""
    return Generated(f"refused_{field}_{hexadecimal[:6]}{WEAK_ENDING if weak else ''}")


UUID_ENDING = "_uuid"
"""How a name ends whose generated value is a UUID."""

WEAK_ENDING = "_weak"
"""How a name ends whose generated value is too short to be anybody's password."""

VERIFIER, CHALLENGE = "code_verifier", "code_challenge"
"""A secret that a client makes for one login, and its SHA-256, which it sends ahead (RFC 7636, 4.1 and 4.2). The generated values
called so belong together, each pair with the same ending."""


@dataclass
class Extraction:
    """One value that an answer gives to later requests."""

    name: str
    extract: Extract
    evidence: str


Part = str | Ref | Secret | Generated | Unnamed


@dataclass
class Filled:
    """A request whose varying values are marked: (slot, its parts) by the place it stands in."""

    slots: list[tuple[Slot, list[Part]]] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)

    def of(self, place: str, name: str | None = None) -> list[tuple[Slot, list[Part]]]:
        """The filled slots of one place, optionally of one header or field."""
        return [(s, p) for s, p in self.slots if s.place == place and (name is None or s.name == name)]
