"""What happened before the window and is needed to replay it: the login its cookies go back to, the pages its tokens stood on."""

from __future__ import annotations

from collections.abc import Sequence

from assembler.clients import Owner
from assembler.correlation import Correlation, Ref, Secret

__all__ = ["prologue_of"]


def prologue_of(captured: Sequence[int], owners: Sequence[Owner], correlation: Correlation) -> list[int]:
    """The exchanges outside `captured` that it depends on, and what those depend on, in order."""
    inside = set(captured)
    needed: set[int] = set()
    stack = list(captured)
    while stack:
        index = stack.pop()
        wanted = [_login_before(n, owners, correlation) for n in owners[index].needs if n not in inside]
        wanted += [p.source for _, parts in correlation.filled[index].slots for p in parts if isinstance(p, Ref)]
        for source in wanted:
            if source >= 0 and source not in inside and source not in needed:
                needed.add(source)
                stack.append(source)
    return sorted(needed)


def _login_before(setter: int, owners: Sequence[Owner], correlation: Correlation) -> int:
    """The login that a session cookie goes back to: later answers only refresh it."""
    client = owners[setter].client
    for index in range(setter, -1, -1):
        if owners[index].client == client and any(
            isinstance(p, Secret) for _, parts in correlation.filled[index].slots for p in parts
        ):
            return index
    return setter
