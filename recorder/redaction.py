"""Takes the secrets out of what is about to be written.

Three rules, in docs/formats.md with examples: by name (`recorder.names`), by shape (JWT, bearer, basic, PEM, the
password in a URL), and whatever is already known to be secret in the same exchange, in whichever escaping it stands.
A text is first *scanned*, which marks what rules one and two find and remembers it as known; when the whole exchange
has been seen it is *rendered*, with all that became known. Only the marked characters change.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote_plus, unquote, unquote_plus

from recorder.headers import STAYS, Fields, Pair
from recorder.heads import Head, Heads
from recorder.jsonwalk import Scalar, decode_string, pointer, walk
from recorder.known import Known, known
from recorder.marks import Mark, Redaction, located, merged, replaced
from recorder.media import Kind
from recorder.names import Names
from recorder.places import credential, places
from recorder.pseudonyms import Pseudonyms, canonical
from recorder.shapes import Shape, shapes

__all__ = ["Redactor", "Scanned", "pairs"]

KNOWN_LENGTH = 12  # shorter values occur by chance
_KNOWN_LIMIT = 64  # each is looked for in every text of the exchange
_KNOWN_LONGEST = 8192
_LAYERS = 3  # of percent-encoding, in a field
_ID = re.compile(r"[0-9a-fA-F-]+|[^@\s]+@[^@\s]+|.*[\s/].*", re.S)
_NO_SECRET = re.compile(r"(?i)(?:id|name|user|login|mail|url|type|at|date|time|expires?|version|hint)\Z")
_JSON = re.compile(r"[{\[]\s*[\"{\[]")


class Scanned:
    """A text that rules one and two have been through."""

    __slots__ = ("kind", "marks", "text")

    def __init__(self, text: str, kind: Kind) -> None:
        self.text = text
        self.kind = kind
        self.marks: list[Mark] = []


class Redactor:
    """Redacts one exchange: its headers and bodies share what is known to be secret.

    What stands openly in `path`, that of the request, are ids and never taken for secrets. `heads` remembers the header
    fields of other exchanges.
    """

    def __init__(self, names: Names, pseudonyms: Pseudonyms, heads: Heads | None = None, path: str = "") -> None:
        self._names = names
        self._pseudonyms = pseudonyms
        self._heads = heads
        self._path = path
        self.rules = names.extra
        """What distinguishes these rules from others: the configured names."""
        self.secrets: dict[str, Known] = {}
        self._probes: list[str] = []

    # Headers and queries

    def headers(self, headers: Sequence[Pair]) -> list[tuple[str, str]]:
        """Return the header fields, redacted, their names in lower case."""
        return self.shown(self.head(headers))

    def head(self, headers: Sequence[Pair]) -> Head:
        """Read header fields; what is secret in them is known from now on. Raises TypeError for what is none."""
        heads = self._heads
        if heads is None:
            heads = self._heads = Heads(Fields(self._names, self._pseudonyms))
        try:
            head = heads[tuple(headers)]
        except TypeError:  # lists for pairs, or octets that may change
            headers = [(_octets(name), _octets(value)) for name, value in headers]
            head = heads[tuple(headers)]
        if head.doubtful and not head.doubtful.isdisjoint(public := unquote(self._path).split("/")):
            head = heads.read(tuple(headers), frozenset(public))
        if head.secrets:
            self.learn(head.secrets.items())
        return head

    def shown(self, head: Head) -> list[tuple[str, str]]:
        """Return name and value of each field as they are written, by all that is known by now."""
        if self._probes and self.knows(head.text):
            return [(name, self.known(value)) for name, value in head.shown]
        return head.shown

    def request(self, path: str, query: str, head: Head) -> tuple[str, str, list[tuple[str, str]]]:
        """Return a request's raw path, its query (already redacted) and its header fields as they are written."""
        path = self.path(path)
        if self._probes:
            if self.knows(f"{path}\n{query}"):
                path, query = self.known(path), self.known(query)
            if len(self.secrets) > len(head.secrets):  # the query told of others
                return path, query, self.shown(head)
        return path, query, head.shown

    def path(self, path: str) -> str:
        """Return a raw path without what shows by itself that it is a secret: `/reset/<JWT>`, `/a;jsessionid=X`."""
        if "=" in path or "eyJ" in path or "k_live_" in path:
            return self.render(self.scan(path, "text"))[0]
        return path

    def query(self, query: str) -> str:
        """Return a raw query, redacted."""
        return self.render(self.scan(query, "form"))[0] if query else query

    def known(self, text: str) -> str:
        """Return the text without the values that are known to be secret in this exchange."""
        return replaced(text, merged(self.known_marks(text))) if self.knows(text) else text

    def knows(self, text: str) -> bool:
        """Return whether a text may hold what is known to be secret: False is certain, True is not."""
        rfind = text.rfind  # the fastest way to ask
        for probe in self._probes:  # noqa: SIM110  a generator costs more than the search
            if rfind(probe) >= 0:
                return True
        return False

    # What is known

    def kind(self, name: str) -> str | None:
        """Return which kind of secret a field of this name holds, or None."""
        return self._names.kind(name)

    def secret(self, value: str, kind: str, *, known: bool = True) -> str:
        """Return the pseudonym of a secret, and remember the secret as known in this exchange."""
        pseudonym = self._pseudonyms.of(value, kind)
        if known and pseudonym is not value:
            self._remember(value, pseudonym)
        return pseudonym

    def remember(self, value: str, kind: str) -> None:
        """Remember a value as known in this exchange."""
        self._remember(value, self._pseudonyms.of(value, kind))

    def _remember(self, value: str, pseudonym: str) -> None:
        value = canonical(value)
        if KNOWN_LENGTH <= len(value) <= _KNOWN_LONGEST:
            self.learn(((value, known(value, pseudonym)),))

    def learn(self, secrets: Iterable[tuple[str, Known]]) -> None:
        """Take secrets for known in this exchange."""
        mine = self.secrets
        for value, secret in secrets:
            if value not in mine and len(mine) < _KNOWN_LIMIT:
                mine[value] = secret
                self._probes += secret.probes

    def known_marks(self, text: str) -> list[Mark]:
        """Mark the values that are known to be secret in this exchange."""
        return [
            Mark(start, end, known.pseudonym, (known.pseudonym,))
            for known in self.secrets.values()
            for start, end in known.find(text)
        ]

    # Texts

    def scan(self, text: str, kind: Kind) -> Scanned:
        """Mark the secrets in a text by name and by shape, and remember them as known."""
        scanned = Scanned(text, kind)
        if kind == "form":
            if text[:1] in "{[" and _JSON.match(text):  # what is sent without a word about its type is called a form
                return self.scan(text, "json")
            scanned.marks = self.by_shape(text) + self._by_name_in_form(text)
            return scanned
        if not self._names.hinted(text):
            return scanned
        scanned.marks = self.by_shape(text)
        found = list(self._names.find(text))
        if found and kind == "json":
            try:
                scanned.marks += self._by_name_in_json(text, found)
                return scanned
            except ValueError:
                scanned.kind = "text"
        if found:
            scanned.marks += self._by_name(text, kind, found)
        return scanned

    def render(self, scanned: Scanned) -> tuple[str, list[Redaction]]:
        """Return the text to be written, with everything known by now replaced, and a list of what was replaced."""
        text = scanned.text
        marks = scanned.marks
        if self.secrets and self.knows(text):
            marks = [*marks, *self.known_marks(text)]
        if not marks:
            return text, []
        marks = merged(marks)
        return replaced(text, marks), located(marks, _locator(scanned, marks))

    def _mark(self, start: int, end: int, value: str, kind: str) -> Mark:
        pseudonym = self.secret(value, kind)
        return Mark(start, end, pseudonym, (pseudonym,))

    def by_shape(self, text: str) -> list[Mark]:
        """Mark what looks like a secret whatever it is called (recorder/shapes.py)."""
        return [self._of(each) for each in shapes(text)]

    def _of(self, shape: Shape) -> Mark:
        pseudonym = self.secret(shape.value, shape.kind)
        return Mark(shape.start, shape.end, shape.before + pseudonym + shape.after, (pseudonym,))

    def _by_name_in_form(self, text: str) -> list[Mark]:
        marks: list[Mark] = []
        for _, name, value_start, end in pairs(text):
            raw = text[value_start:end]
            if not raw:
                continue
            kind = self._names.kind(name) or ("%" in name and self._names.kind(_unescaped(name))) or None
            value = _unescaped(raw)
            if kind is not None and value.lower() not in STAYS:
                marks.append(self._mark(value_start, end, value, kind))
            elif len(value) > KNOWN_LENGTH and not value.isalnum() and (nested := self._nested(value)) is not None:
                marks.append(Mark(value_start, end, *nested))
        return marks

    def _nested(self, value: str, depth: int = 1) -> tuple[str, tuple[str, ...]] | None:
        """Return what is written for a field that holds JSON, a URL or a page, perhaps itself encoded once or twice more."""
        nested, redactions = self.render(self.scan(value, "json" if value[0] in "{[" else "text"))
        if redactions:
            return quote_plus(nested), tuple(redaction["pseudonym"] for redaction in redactions)
        if depth == _LAYERS or "%" not in value or (inner := unquote_plus(value)) == value:
            return None
        found = self._nested(inner, depth + 1)
        return (quote_plus(found[0]), found[1]) if found is not None else None

    def _by_name_in_json(self, text: str, found: list[tuple[int, int, str]]) -> list[Mark]:
        """Mark what stands in a JSON text under a secret's name, or with one. Raises ValueError where it is no JSON."""
        marks: list[Mark] = []
        starts = sorted(start for start, _, _ in found)

        def dull(start: int, end: int, key: str | None) -> bool:
            """Whether an object has nothing to do with what was found."""
            aside = bisect_right(starts, start) == bisect_right(starts, end) and text.find('"value"', start, end) < 0
            return aside and (key is None or self._names.kind(key) is None)

        for scalar in list(walk(text, dull)):
            name = scalar.label or scalar.key
            kind = self._names.kind(name) if name else None
            raw = text[scalar.start : scalar.end]
            if kind is None and scalar.is_string:
                kind = self._kind_of_group(scalar, raw)
            if not scalar.is_string:
                if kind is not None and name and self._names.secret_number(name):
                    mark = self._mark(scalar.start, scalar.end, raw, kind)
                    marks.append(mark._replace(text=f'"{mark.text}"'))
            elif kind is not None:
                value = decode_string(raw)[0]
                if value.lower() not in STAYS:
                    marks.append(self._mark(scalar.start, scalar.end, value, kind))
            elif bisect_right(starts, scalar.end) > bisect_right(starts, scalar.start - 1):
                value, places = decode_string(raw)
                inner = self._by_name(value, "text", list(self._names.find(value)))
                for mark in inner:
                    start, end = (mark.start, mark.end) if places is None else (places[mark.start], places[mark.end])
                    marks.append(mark._replace(start=scalar.start + start, end=scalar.start + end))
        return marks

    def _kind_of_group(self, scalar: Scalar, raw: str) -> str | None:
        """Return which kind of secret stands in an object that is called after secrets: `{"secrets": {"mail": "X"}}`."""
        around = scalar.path[0] if scalar.path is not None else None
        if around is None or not isinstance(around[1], str) or not credential(raw) or _ID.fullmatch(raw):
            return None
        return self._names.kind(around[1]) if not (scalar.key and _NO_SECRET.search(scalar.key)) else None

    def _by_name(self, text: str, kind: Kind, found: list[tuple[int, int, str]]) -> list[Mark]:
        return [self._of(each) for each in places(text, kind, found, self._names) if each.value.lower() not in STAYS]


def _locator(scanned: Scanned, marks: list[Mark]) -> Callable[[int], str | None]:
    """Return what tells the JSON pointer of a marked place."""
    text = scanned.text
    if scanned.kind == "form":
        fields = _form_pointers(text)
        starts = [start for start, _, _ in fields]

        def in_form(at: int) -> str | None:
            index = bisect_right(starts, at) - 1
            return fields[index][2] if index >= 0 else None

        return in_form
    if scanned.kind != "json":
        return lambda at: None
    marked = [mark.start for mark in marks]
    try:
        found = list(walk(text, lambda start, end, _: bisect_right(marked, start) == bisect_right(marked, end)))
    except ValueError:
        return lambda at: None
    scalars = sorted(found, key=lambda scalar: scalar.start)
    begins = [scalar.start for scalar in scalars]

    def in_json(at: int) -> str | None:
        index = bisect_right(begins, at) - 1
        inside = index >= 0 and at < max(scalars[index].end, scalars[index].start + 1)
        return pointer(scalars[index].path) if inside else None

    return in_json


def _octets(part: Any) -> bytes:
    return bytes(memoryview(part))  # `bytes` alone makes zeros of a number


def pairs(text: str) -> Iterator[tuple[int, str, int, int]]:
    """Yield (start, decoded name, start of the value, end) of the pairs of a form or query."""
    start = 0
    while start <= len(text):
        end = text.find("&", start)
        end = len(text) if end < 0 else end
        if end > start:
            equals = text.find("=", start, end)
            equals = end if equals < 0 else equals
            yield start, _unescaped(text[start:equals]), min(equals + 1, end), end
        start = end + 1


def _unescaped(part: str) -> str:
    return unquote_plus(part) if "%" in part or "+" in part else part


def _form_pointers(text: str) -> list[tuple[int, int, str]]:
    found = list(pairs(text))
    names = [name for _, name, _, _ in found]
    repeated = {name for name, count in Counter(names).items() if count > 1} if len(set(names)) < len(names) else set()
    index: dict[str, int] = {}
    pointers = []
    for start, name, _, end in found:
        place = "/" + name.replace("~", "~0").replace("/", "~1")
        if name in repeated:
            place += f"/{index.setdefault(name, 0)}"
            index[name] += 1
        pointers.append((start, end, place))
    return pointers
