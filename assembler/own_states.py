"""An application's own words for the states of its work, learnt from the reads that waited for one.

`through` and `gave up` are no words that everybody knows for an end. Where one read of an address waited for its field to
say the one, another read of such an address that found the other at once may have to wait the next time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assembler.profile import Until
from assembler.recording import Exchange
from assembler.shapes import pieces

__all__ = ["OwnStates"]


@dataclass
class _Field:
    """A field that reads of one kind of address waited for: what it said meanwhile, and at the end."""

    underway: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)


class OwnStates:
    """The states of each kind of address, by the reads that waited."""

    def __init__(self) -> None:
        self._fields: dict[tuple[str, str], _Field] = {}

    def learn(self, exchange: Exchange, until: Until, earlier: Iterable[Mapping[str, Any]]) -> None:
        """A wait `until` a field said a word. `earlier` are the leaves of the answers before, by their JMESPath."""
        if until.json_ is None or not isinstance(until.equals, str):
            return
        known = self._fields.setdefault((_kind(exchange), until.json_), _Field())
        known.underway.update(v for each in earlier if isinstance(v := each.get(until.json_), str))
        known.ended.add(until.equals)

    def until(self, exchange: Exchange, leaves: Mapping[str, Any], stop_on: Sequence[str]) -> Until | None:
        """What a single read of such an address found at once, where that is no state of work under way."""
        kind = _kind(exchange)
        for (where, path), known in self._fields.items():
            value = leaves.get(path)
            if where == kind and isinstance(value, str) and value not in known.underway:
                others = sorted((known.ended | set(stop_on)) - {value})
                return Until(json_=path, equals=value, stop_on=others)
        return None


def _kind(exchange: Exchange) -> str:
    """A method and an address, ids and numbers aside."""
    return exchange.method + " " + "".join(p.text if p.kind == "text" else f"<{p.kind}>" for p in pieces(exchange.path))
