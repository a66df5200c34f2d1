"""Stand-ins for personal data: names, mail addresses, telephone numbers and configured fields (RECORDER_ANONYMIZE).

A stand-in keeps the shape of what it stands for, and is made of it under the deployment's key, so that one value has one
stand-in everywhere and nobody without the key can tell what it was. It stands in requests and in answers alike: a replay
types the stand-ins, and an application that has them answers with them.

A name is known by its field, and from then on by its words, wherever they stand and whichever process sees them: of each
word a keyed digest is kept in `RECORDER_ROOT/personal`, never the word.
"""

from __future__ import annotations

import functools
import html
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote_plus, unquote_plus

from recorder.heads import Head, Heads
from recorder.jsonwalk import decode_string, walk
from recorder.marks import Mark, Redaction, merged, replaced
from recorder.media import Kind
from recorder.names import Names, words_of
from recorder.pseudonyms import PSEUDONYM, Pseudonyms
from recorder.redaction import Redactor, Scanned, pairs
from recorder.settings import Settings

__all__ = ["Anonymizer", "Anonymizing", "People", "StandIns"]

SHORTEST, SHORTEST_LOWER = 2, 5  # letters of a word that is taken for a name: "Li"; "lovelace". Initials stay.
_LOCAL = (8, 16, 24)  # length classes of what stands before the @
_WORD_LENGTH = 5  # of a stand-in, at least: two letters would soon stand for two people

_MAIL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}(@|%40)((?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24})")
_PHONE = re.compile(
    r"(?<![\w.+/-])(?:\+\d{1,3}[ ./-]?(?:\(\d{1,5}\)[ ./-]?)?\d{1,5}(?:[ ./-]?\d{2,5}){1,4}"
    r"|0\d{2,5}[ /-]\d{3,9}(?:[ -]\d{2,5}){0,3}|\(\d{2,5}\)[ -]?\d{3,4}[ -]?\d{3,5}|\d{3}[-.]\d{3}[-.]\d{4})(?![\w-]|\.\d)"
)
_WORD = re.compile(r"[^\W\d_]+")
_NAME = re.compile(r"&#?\w+;|[^\W\d_]+")
_RUN = re.compile(r"&#?\w+;|[^\W_]+")
_INPUT = re.compile(r"<input\b[^<>]*>", re.I)
_NAMED = re.compile(r"\bname\s*=\s*[\"']?([^\s\"'<>]+)", re.I)
_VALUE = re.compile(r"\bvalue\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.I)
_ELEMENT = re.compile(r"<([\w.-]+:)?([\w.-]{2,64})(?:\s[^<>]*)?>([^<>]+)</")

_NAME_ENDS = (
    *("firstname", "lastname", "fullname", "surname", "givenname", "familyname", "middlename", "maidenname"),
    *("forename", "realname", "displayname", "contactname", "contactperson", "customername", "patientname"),
)
_PHONE_ENDS = ("phone", "phonenumber", "mobile", "mobilenumber", "telephonenumber", "fax", "faxnumber")


class StandIns:
    """What stands for a value. Safe to use from any thread."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms
        self.word = functools.lru_cache(4096)(self._word)

    def _octets(self, kind: str, value: str) -> Iterator[int]:
        block = 0
        while True:
            yield from bytes.fromhex(self._pseudonyms.digest(f"stand-in {kind} {block} {value}"))
            block += 1

    def _shaped(self, text: str, octets: Iterator[int]) -> str:
        """Another letter for each letter, another digit for each digit, everything else as it is."""
        made = []
        for char in text:
            if char.isdigit():
                made.append(str(next(octets) % 10))
            elif char.isalpha():
                letter = chr(ord("a") + next(octets) % 26)
                made.append(letter.upper() if char.isupper() else letter)
            else:
                made.append(char)
        return "".join(made)

    def _word(self, word: str) -> str:
        """Return what stands for a word, in its capitalisation."""
        filled = word + word[-1] * (_WORD_LENGTH - len(word)) if word.isalpha() else word
        return self._shaped(filled, self._octets("word", word.casefold()))

    def name(self, value: str) -> str:
        """Return what stands for a name: its words one by one, initials as they are. References to characters stay."""
        return _NAME.sub(lambda found: self.word(found[0]) if _is_word(found[0]) else found[0], value)

    def other(self, value: str) -> str:
        """Return what stands for something else: other letters and digits in the same places."""
        return _RUN.sub(lambda found: found[0] if found[0][0] == "&" else self.word(found[0]), value)

    def mail(self, address: str) -> str:
        """Return what stands for a mail address, at a domain that is reserved for examples (RFC 2606)."""
        local, sign, domain = re.split("(@|%40)", address, maxsplit=1)
        length = next((each for each in _LOCAL if len(local) <= each), _LOCAL[-1])
        filled = (local + "x" * length)[: max(length, len(local))] if len(local) < length else local[:length]
        made = self._shaped(filled, self._octets("mail", f"{local}@{domain}".casefold()))
        return made + sign + f"example.{('org', 'com', 'net')[next(self._octets('domain', domain.casefold())) % 3]}"

    def phone(self, number: str) -> str:
        """Return what stands for a telephone number: other digits in the same places."""
        digits = "".join(char for char in number if char.isdigit())
        octets, first, made = self._octets("phone", digits), True, []
        for char in number:
            if char.isdigit():
                made.append(
                    char if first and char == "0" else str(1 + next(octets) % 9 if first else next(octets) % 10)
                )
                first = False
            else:
                made.append(char)
        return "".join(made)


def _is_word(word: str) -> bool:
    return word[0] != "&" and len(word) >= SHORTEST


class People:
    """The words of names that were seen in this deployment, by any of its processes. Safe to use from any thread."""

    def __init__(self, path: Path, pseudonyms: Pseudonyms) -> None:
        self._path = path
        self._pseudonyms = pseudonyms
        self._digests: frozenset[str] = frozenset()
        self._size = 0
        self._found: dict[str, bool] = {}

    def refresh(self) -> None:
        """Take in what other processes have learned. Raises OSError when the file cannot be read."""
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return
        if size != self._size:
            self._digests = frozenset(self._path.read_text("ascii").split())
            self._size, self._found = size, {}

    def learn(self, value: str) -> None:
        """Know the words of a name from now on. Raises OSError when that cannot be kept."""
        new = {self._digest(word) for word in _WORD.findall(value) if len(word) >= SHORTEST} - self._digests
        if not new:
            return
        self._digests |= new
        self._found = {}
        self._path.parent.mkdir(0o750, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, "".join(f"{digest}\n" for digest in sorted(new)).encode())
        finally:
            os.close(descriptor)

    def knows(self, word: str) -> bool:
        """Whether a word of a text is one of a name."""
        if len(word) < (SHORTEST if word[0].isupper() else SHORTEST_LOWER) or not self._digests:
            return False
        found = self._found.get(word)
        if found is None:
            if len(self._found) > 50_000:
                self._found = {}
            found = self._found[word] = self._digest(word) in self._digests
        return found

    def _digest(self, word: str) -> str:
        return self._pseudonyms.digest(f"personal {word.casefold()}")


class Anonymizer(Redactor):
    """A redactor that puts stand-ins for personal data, too. `extra` are the words of the configured fields' names."""

    def __init__(
        self,
        names: Names,
        pseudonyms: Pseudonyms,
        heads: Heads | None,
        path: str,
        stand_ins: StandIns,
        people: People,
        extra: frozenset[str],
    ) -> None:
        super().__init__(names, pseudonyms, heads, path)
        self._stand_ins = stand_ins
        self._people = people
        self._extra = extra
        self.rules = names.extra | extra | {"anonymized"}

    # By the name of a field

    def kind(self, name: str) -> str | None:
        return super().kind(name) or self.personal(name)

    def secret(self, value: str, kind: str, *, known: bool = True) -> str:
        return self._of_field(value, kind) if kind in _PERSONAL else super().secret(value, kind, known=known)

    def personal(self, name: str) -> str | None:
        """Return what a field of this name holds of a person: `name`, `phone`, `other` (configured), or None."""
        parts = words_of(name) if 1 < len(name) <= 128 else []
        while parts and parts[-1].isdigit():
            parts.pop()
        joined = "".join(parts)
        if any("".join(parts[start:]) in self._extra for start in range(len(parts))):
            return "other"
        if joined.endswith(_NAME_ENDS):
            return "name"
        return "phone" if joined.endswith(_PHONE_ENDS) or "tel" in parts[-1:] else None

    def _of_field(self, value: str, kind: str) -> str:
        if kind == "phone":
            return self._stand_ins.phone(value)
        if _MAIL.fullmatch(value):
            return self._stand_ins.mail(value)
        if kind == "other":
            return self._stand_ins.other(value)
        self._people.learn(html.unescape(value))
        return self._stand_ins.name(value)

    # In texts

    def knows(self, text: str) -> bool:
        return True

    def known_marks(self, text: str) -> list[Mark]:
        return super().known_marks(text) + self._by_value(text)

    def shown(self, head: Head) -> list[tuple[str, str]]:
        return [(name, self.known(value)) for name, value in head.shown]

    def request(self, path: str, query: str, head: Head) -> tuple[str, str, list[tuple[str, str]]]:
        secrets = merged(super().known_marks(query))  # that it has its stand-ins was seen to before
        return self.known(self.path(path)), replaced(query, secrets), self.shown(head)

    def scan(self, text: str, kind: Kind) -> Scanned:
        scanned = super().scan(text, kind)
        scanned.marks = [*scanned.marks, *self._by_name_of_field(text, scanned)]
        return scanned

    def render(self, scanned: Scanned) -> tuple[str, list[Redaction]]:
        seen = Scanned(scanned.text, scanned.kind)
        by_value = self._in_form(scanned.text) if scanned.kind == "form" else self._by_value(scanned.text)
        seen.marks = [*scanned.marks, *by_value]
        return super().render(seen)

    def _by_name_of_field(self, text: str, scanned: Scanned) -> list[Mark]:
        return [
            Mark(start, end, shown, ())
            for start, end, name, value, form in _fields_of(text, scanned)
            if (kind := self.personal(name)) is not None and value and not PSEUDONYM.search(value)
            if (shown := self._of_field(value, kind)) and (shown := quote_plus(shown) if form else shown)
        ]

    def _by_value(self, text: str) -> list[Mark]:
        """Mark mail addresses and telephone numbers by their shape, and the words of known names."""
        marks = []
        if "@" in text or "%40" in text:
            marks += [Mark(*found.span(), self._stand_ins.mail(found[0]), ()) for found in _MAIL.finditer(text)]
        marks += [Mark(*found.span(), self._stand_ins.phone(found[0]), ()) for found in _PHONE.finditer(text)]
        knows, word = self._people.knows, self._stand_ins.word
        return marks + [Mark(*found.span(), word(found[0]), ()) for found in _WORD.finditer(text) if knows(found[0])]

    def _in_form(self, text: str) -> list[Mark]:
        """The same in the decoded values of a form or query."""
        marks = []
        for _, _, start, end in pairs(text):
            value = unquote_plus(text[start:end])
            if value and not PSEUDONYM.search(value) and (shown := self.known(value)) != value:
                marks.append(Mark(start, end, quote_plus(shown), ()))
        return marks


class Anonymizing:
    """Makes the redactors of a deployment that puts stand-ins for personal data."""

    def __init__(self, settings: Settings, names: Names, pseudonyms: Pseudonyms, heads: Heads) -> None:
        self._names = names
        self._pseudonyms = pseudonyms
        self._heads = heads
        self._stand_ins = StandIns(pseudonyms)
        self._people = People(settings.root / "personal", pseudonyms)
        self._extra = frozenset("".join(words_of(name)) for name in settings.anonymize or ()) - {""}

    def redactor(self, path: str) -> Anonymizer:
        """Return one for one job, or for the exchange with this raw path. Raises OSError as `People.refresh`."""
        self._people.refresh()
        return Anonymizer(self._names, self._pseudonyms, self._heads, path, self._stand_ins, self._people, self._extra)


_PERSONAL = ("name", "phone", "other")


def _fields_of(text: str, scanned: Scanned) -> Iterator[tuple[int, int, str, str, bool]]:
    """Yield (start, end, name, decoded value, whether it is form-encoded) of the fields in a text."""
    if scanned.kind == "form":
        for _, name, start, end in pairs(text):
            yield start, end, name, unquote_plus(text[start:end]), True
    elif scanned.kind == "json":
        with suppress(ValueError):
            for scalar in walk(text):
                label = scalar.label or scalar.key
                if label and scalar.is_string:
                    yield scalar.start, scalar.end, label, decode_string(text[scalar.start : scalar.end])[0], False
    else:
        for tag in _INPUT.finditer(text):
            named, value = _NAMED.search(tag[0]), _VALUE.search(tag[0])
            if named and value:
                group = 1 if value[1] is not None else 2
                start = tag.start()
                yield start + value.start(group), start + value.end(group), named[1], value[group], False
        for found in _ELEMENT.finditer(text):
            yield found.start(3), found.end(3), found[2], found[3].strip(), False
