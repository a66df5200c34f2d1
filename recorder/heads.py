"""The header fields of a whole message, and what they come to.

A browser sends one and the same set of fields with most of its requests, and an application answers with few different
ones. So what a set comes to is worked out once and remembered in `Heads`.
"""

from __future__ import annotations

from collections.abc import Sequence

from recorder.events import Session
from recorder.headers import Field, Fields, Pair
from recorder.known import Known

__all__ = ["Head", "Heads"]

_LENGTH_DIGITS = 18
"""Of a Content-Length; no body is larger, and JSON's integers end soon after."""


class Head:
    """A message's header fields. Not to be changed: it is there for every message that has the same ones.

    `values` are as they were sent, by name in lower case, several cookies as one; `shown` is what is written, as far as
    the fields themselves tell what is secret, and `text` all of it at once. `length` is the Content-Length.
    """

    __slots__ = ("doubtful", "length", "secrets", "session", "shown", "text", "values")

    def __init__(self, fields: Sequence[Field], secrets: dict[str, Known], shown: list[tuple[str, str]]) -> None:
        self.values = values = {field.name: field.value for field in fields}
        if len(values) < len(fields) and "cookie" in values:  # HTTP/2 may send several
            values["cookie"] = "; ".join([field.value for field in fields if field.name == "cookie"])
        self.secrets = secrets
        self.doubtful = frozenset[str]().union(*[field.doubtful for field in fields])
        self.shown = shown
        self.text = "\n".join([value for _, value in shown])
        self.length = _length(values["content-length"]) if "content-length" in values else None
        self.session: Session | None = None
        """The session of every request with these fields, once it is known."""


class Heads(dict[tuple[Pair, ...], Head]):
    """Every head that came lately, by what was sent. Bounded: when it is full, it begins anew."""

    MOST = 1024
    LONGEST = 8192  # characters of all values of a head that is remembered

    def __init__(self, fields: Fields) -> None:
        super().__init__()
        self._fields = fields

    def __missing__(self, pairs: tuple[Pair, ...]) -> Head:
        head = self.read(pairs)
        if len(head.text) <= self.LONGEST:
            if len(self) >= self.MOST:
                self.clear()
            self[pairs] = head
        return head

    def read(self, pairs: tuple[Pair, ...], public: frozenset[str] = frozenset()) -> Head:
        """Return a head that is not remembered: its fields as they are where `public` stands openly in the path."""
        from recorder.redaction import Redactor

        remembered = self._fields
        fields = [remembered[pair] for pair in pairs]
        if public:
            fields = [
                field if field.doubtful.isdisjoint(public) else remembered.read(field.name, field.value, public)
                for field in fields
            ]
        redactor = Redactor(remembered.names, remembered.pseudonyms, self)
        for field in fields:
            redactor.learn(field.secrets)
        return Head(fields, redactor.secrets, [(name, redactor.known(value)) for name, value in (f.shown for f in fields)])


def _length(value: str) -> int | None:
    digits = value.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _LENGTH_DIGITS else None
