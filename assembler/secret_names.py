"""What a secret is called in a profile: the user's own by the field it was sent in, one that the client made as made anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from assembler.clients import Owner
from assembler.parts import CHALLENGE, VERIFIER, Generated, Part, Secret, Unnamed, generated, verifier_of
from assembler.requests import canonical

__all__ = ["SecretNames"]

_REPEATED = {"password1", "password2", "confirm_password", "password_confirm", "password_confirmation"}
"""Fields in which a form asks for the password once more."""
_OWN = re.compile(r"PASS|PWD|SECRET|KEY|TOKEN|CREDENTIAL|PIN|OTP|CODE|AUTH")
_ISSUED = re.compile(r"CSRF|XSRF")
"""Names of secrets that only the application gives out: nobody knows them by heart."""


class SecretNames:
    """The names given so far. `refused` are pseudonyms (hex) that no request brought through, with what stands for them."""

    def __init__(
        self, refused: Mapping[str, Callable[[str], str | Generated]], unnamed: Iterable[Unnamed] = ()
    ) -> None:
        self._telling = {s.hexadecimal: s.name for s in reversed([*unnamed]) if _is_own(s.name)}
        """The name of a password or key under which a secret was sent first; it may have been `new` or `confirm` before."""
        self._refused = refused
        self._names: dict[str, str] = {}
        self._made: dict[str, Part] = {}
        self._challenge: Generated | None = None

    def made(self, value: Generated) -> None:
        """A value that was sent before what is asked for next: the challenge of a login whose verifier will follow."""
        if value.name.startswith(CHALLENGE):
            self._challenge = value

    def of(self, secret: Unnamed, owner: Owner) -> tuple[Part, list[str]]:
        """What stands for a secret that `owner` sent, and the place of it, should it have no name of a password or key."""
        if secret.name == VERIFIER and self._challenge is not None:
            return verifier_of(self._challenge), []
        hexadecimal = secret.hexadecimal
        own = next((name for name, value in owner.extra.items() if canonical(value)[-32:] == hexadecimal), None)
        if own is not None:
            # The client made it itself and sends it twice: as a cookie and here.
            return generated(own), []
        if hexadecimal in self._names:
            return Secret(self._names[hexadecimal]), []
        spoken = secret.name if _is_own(secret.name) else self._telling.get(hexadecimal, secret.name)
        base = re.sub(r"[^A-Z0-9]+", "_", spoken.upper()).strip("_") or "SECRET"
        if hexadecimal in self._refused:
            # One value, though the form asks for it twice.
            return self._made.setdefault(hexadecimal, self._refused[hexadecimal](base.lower())), []
        if spoken.lower() in _REPEATED:
            base = "PASSWORD"
        name, count = base, 2
        while name in self._names.values():
            name, count = f"{base}_{count}", count + 1
        self._names[hexadecimal] = name
        return Secret(name), [] if _is_own(name) else [f"{secret.place} {secret.name}"]


def _is_own(name: str) -> bool:
    """True for the name of what somebody knows by heart."""
    return _OWN.search(name.upper()) is not None and _ISSUED.search(name.upper()) is None
