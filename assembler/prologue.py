"""What happened before the window and is needed to replay it: the login its cookies go back to, the pages its tokens stood on."""

from __future__ import annotations

from collections.abc import Sequence

from assembler.clients import Owner
from assembler.correlation import Correlation
from assembler.parts import Ref, Unnamed
from assembler.requests import canonical
from assembler.shapes import SECRET
from assembler.slots import Slot

__all__ = ["prologue_of", "script_cookies"]


def prologue_of(captured: Sequence[int], owners: Sequence[Owner], correlation: Correlation) -> list[int]:
    """The exchanges outside `captured` that it depends on, and what those depend on, in order."""
    inside = set(captured)
    needed: set[int] = set()
    stack = list(captured)
    while stack:
        index = stack.pop()
        wanted = [_login_before(n, owners, correlation) for n in owners[index].needs if n not in inside]
        wanted += [p.source for _, parts in correlation.filled(index).slots for p in parts if isinstance(p, Ref)]
        wanted += [ref.source for ref in script_cookies(index, owners, correlation).values()]
        for source in wanted:
            if source >= 0 and source not in inside and source not in needed:
                needed.add(source)
                stack.append(source)
    return sorted(needed)


def script_cookies(index: int, owners: Sequence[Owner], correlation: Correlation) -> dict[str, Ref]:
    """Cookies of the exchange `index` that a script made out of an earlier answer, and what of that."""
    found: dict[str, Ref] = {}
    for name, value in owners[index].extra.items():
        token = canonical(value)
        if SECRET.fullmatch(token) and (ref := correlation.refer(Slot("cookie", name, token, 0, 0), token, index)):
            found[name] = ref
    return found


def _login_before(setter: int, owners: Sequence[Owner], correlation: Correlation) -> int:
    """The login that a session cookie goes back to: later answers only refresh it."""
    client = owners[setter].client
    for index in range(setter, -1, -1):
        if owners[index].client == client and any(
            isinstance(p, Unnamed) for _, parts in correlation.filled(index).slots for p in parts
        ):
            return index
    return setter
