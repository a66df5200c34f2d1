"""Short codes in the links of pages: `/wishlists/4mom28/`, for a list that an action made and nobody opened.

A page that had been read before, and shows such a link only after the client acted, shows what that action made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from assembler.profile import Step

__all__ = ["linked_codes"]

_LINK = re.compile(r"""\b(?:href|action)\s*=\s*["']?(?:https?://[^/"'\s>]+)?(/[^"'\s>?#]*)""", re.IGNORECASE)
_MADE = re.compile(r"[A-Za-z0-9]{4,12}")
_READS = {None, "GET", "HEAD", "OPTIONS"}


def linked_codes(steps: Sequence[Step], folder: Path, sent: str) -> Iterator[str]:
    """What actions of the client made, as pages link to it: codes, and by chance words. `sent` is all that the client sent."""
    seen: set[str] = set()
    read: dict[str | None, int] = {}
    """When each address was read last, as the number of actions before."""
    acted = 0
    for step in steps:
        if step.method not in _READS:
            acted += 1
            continue
        found = set(_codes(step, folder))
        if read.get(step.path, acted) < acted:
            yield from (word for word in found - seen if word not in sent)
        seen |= found
        read[step.path] = acted


def _codes(step: Step, folder: Path) -> Iterator[str]:
    """The segments of a page's links that a code may be."""
    body = step.expect.body if step.expect is not None else None
    if body is None or not body.endswith(".html") or not (path := folder / body).is_file():
        return
    for address in set(_LINK.findall(path.read_bytes().decode(errors="replace"))):
        yield from (part for part in address.split("/") if _MADE.fullmatch(part) and not part.isdigit())
