"""Header fields as they are written: cookies, credentials and whatever has a secret's name, replaced.

What becomes of a field is worked out once and remembered in `Fields`: of a request only what is new in it is looked at.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from typing import TYPE_CHECKING, TypeAlias

from recorder.known import Known
from recorder.names import Names
from recorder.pseudonyms import Pseudonyms, canonical

if TYPE_CHECKING:
    from recorder.redaction import Redactor

__all__ = ["STAYS", "Field", "Fields", "Pair", "decode_base64"]

Pair: TypeAlias = "tuple[str, str] | tuple[bytes, bytes]"
"""Name and value of a header field: text (WSGI), or its octets (ASGI)."""

STAYS = frozenset({"", "true", "false", "null", "undefined"})
"""What is no secret wherever it stands."""

_AUTH_HEADER = re.compile(r"(?:^|[-_])auth$")  # X-…-Auth: what an application calls its own Authorization
_CREDENTIALS = frozenset({"cookie", "set-cookie", "authorization", "proxy-authorization"})
_HINT = re.compile(r"[?&@={]|eyJ|[Bb]earer |[Bb]asic |BEGIN ")
_WORD = r"(?:[A-Z]?[a-z]{1,15}\d{0,4}|[A-Z]{1,15}|\d{1,6}[a-z]?)"
_HARMLESS = re.compile(
    rf"{_WORD}(?:[-_ .+:/,;]{{1,2}}{_WORD})*"  # words, names, run ids, dates
    r"|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"  # a UUID
    r"|[^@\s]+@[^@\s]+\.\w+|https?://\S*|/[\w/.-]*"
)


class Field:
    """A header field, its name in lower case, and `shown`: name and value as they are written.

    `secrets` are the values that are known to be secret by it. `doubtful` are those that were taken for secrets, and
    would not have been, had they stood openly in the path of the request.
    """

    __slots__ = ("doubtful", "name", "secrets", "shown", "value")

    def __init__(
        self,
        name: str,
        value: str,
        shown: str | None = None,
        secrets: tuple[tuple[str, Known], ...] = (),
        doubtful: frozenset[str] = frozenset(),
    ) -> None:
        self.name = name
        self.value = value
        self.shown = (name, value if shown is None else shown)
        self.secrets = secrets
        self.doubtful = doubtful


class Fields(dict[Pair, Field]):
    """Every field that came lately, by what was sent. Bounded: when it is full, it begins anew."""

    MOST = 2048
    LONGEST = 2048  # characters of a value that is remembered

    def __init__(self, names: Names, pseudonyms: Pseudonyms) -> None:
        super().__init__()
        self.names = names
        self.pseudonyms = pseudonyms
        self.kind = functools.lru_cache(1024)(self._kind)

    def __missing__(self, pair: Pair) -> Field:
        field = self.read(_text(pair[0]).lower(), _text(pair[1]))
        if len(field.value) <= self.LONGEST:
            if len(self) >= self.MOST:
                self.clear()
            self[pair] = field
        return field

    def _kind(self, name: str) -> str | None:
        """Return which kind of secret a field of this name holds, or None."""
        return self.names.kind(name) or ("authorization" if _AUTH_HEADER.search(name) else None)

    def read(self, name: str, value: str, public: frozenset[str] = frozenset()) -> Field:
        """Return a field that is not remembered: as it is where `public` stands openly in the path."""
        if name not in _CREDENTIALS and not self.kind(name) and not _HINT.search(value):
            return Field(name, value)
        from recorder.redaction import Redactor

        reader = _Reader(Redactor(self.names, self.pseudonyms), self, public)
        shown = reader.shown(name, value)
        return Field(name, value, shown, tuple(reader.redactor.secrets.items()), frozenset(reader.doubtful))


class _Reader:
    """What one field is read with."""

    def __init__(self, redactor: Redactor, fields: Fields, public: frozenset[str]) -> None:
        self.redactor = redactor
        self.doubtful: set[str] = set()
        self._fields = fields
        self._public = public

    def shown(self, name: str, value: str) -> str:
        """Return the value as it is written."""
        if name == "cookie":
            return ";".join(self._cookie(pair) for pair in value.split(";"))
        if name == "set-cookie":
            pair, semicolon, attributes = value.partition(";")
            return self._cookie(pair) + semicolon + attributes
        if name in ("authorization", "proxy-authorization"):
            return self._authorization(value)
        redactor = self.redactor
        kind = self._fields.kind(name)
        if kind is not None and value.lower() not in STAYS and (len(value) >= 8 or redactor.kind(name)):
            if (stored := self._pair(value)) is not None:
                return stored
            scheme, space, token = value.partition(" ")
            if space and scheme.lower() in ("bearer", "token"):
                return f"{scheme} {redactor.secret(token, kind)}"
            return redactor.secret(value, kind)
        if _HINT.search(value):
            scanned = redactor.scan(value, "text")
            scanned.marks = scanned.marks or redactor.by_shape(value)  # `code=X&state=Y`, of which no text is asked
            return redactor.render(scanned)[0]
        return value

    def _cookie(self, pair: str) -> str:
        name, equals, value = pair.partition("=")
        if not equals:
            name, value = "", pair
        bare = value.strip()
        if bare in ("", '""', "deleted"):
            return pair
        harmless = not self._fields.names.credential_cookie(name.strip()) and self._harmless(canonical(bare))
        pseudonym = self.redactor.secret(bare, "cookie", known=not harmless)
        return name + equals + value.replace(bare, pseudonym, 1)

    def _harmless(self, value: str) -> bool:
        if _HARMLESS.fullmatch(value):
            return True
        self.doubtful.add(value)
        return value in self._public

    def _authorization(self, value: str) -> str:
        scheme, space, rest = value.partition(" ")
        secret = self.redactor.secret
        if not space:
            return secret(value, "authorization") if value else value
        if scheme.lower() == "basic":
            return f"{scheme} {self._basic(rest.strip())}"
        return f"{scheme} {secret(rest.strip(), 'bearer' if scheme.lower() == 'bearer' else 'authorization')}"

    def _basic(self, blob: str) -> str:
        user, colon, password = decode_base64(blob).partition(":")
        secret = self.redactor.secret
        if not colon:
            return secret(blob, "basic")
        self.redactor.remember(blob, "basic")
        if not password and not self._harmless(user):  # an API key in the place of the user
            user = secret(user, "apikey")
        return f"{user}:{secret(password, 'password') if password else ''}"

    def _pair(self, value: str) -> str | None:
        """Return what is stored for `user:secret` in base64 without a scheme: readable, and possible to make again."""
        user, colon, secret = decode_base64(value).partition(":")
        if not colon or not user or not secret or base64.b64encode(f"{user}:{secret}".encode()).decode() != value:
            return None
        self.redactor.remember(value, "basic")
        return f"base64({user}:{self.redactor.secret(secret, 'password')})"


def _text(part: str | bytes) -> str:
    return part if isinstance(part, str) else str(part, "latin-1")


def decode_base64(blob: str) -> str:
    """Return the text that a base64 blob holds, or an empty one."""
    padded = blob.translate(str.maketrans("-_", "+/")) + "=" * (-len(blob) % 4)
    try:
        octets = base64.b64decode(padded, validate=True)
    except (binascii.Error, ValueError):
        return ""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")
