"""Takes the secrets out of what is about to be written.

Three rules, in docs/formats.md with examples: by name (`recorder.names`), by shape (JWT, bearer, basic, PEM, the
password in a URL), and whatever is already known to be secret in the same exchange, in whichever escaping it stands.
A text is first *scanned*, which marks what rules one and two find and remembers it as known; when the whole exchange
has been seen it is *rendered*, with all that became known. Only the marked characters change.
"""

from __future__ import annotations

import html
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
from recorder.pseudonyms import PSEUDONYM, Pseudonyms, canonical
from recorder.shapes import shapes

__all__ = ["Redactor", "Scanned", "pairs"]

KNOWN_LENGTH = 12  # shorter values occur by chance
_KNOWN_LIMIT = 64  # each is looked for in every text of the exchange
_KNOWN_LONGEST = 8192
_LONG = 1024  # characters of a value in a message; a longer one is looked at once, however many names are in it

_QUOTE = r"\\*[\"']|`|&(?:quot|apos|#0*3[49]|#[xX]0*2[27]);|\\+u002[27]|\\+x2[27]"
_ASSIGNED = re.compile(rf"(?P<close>{_QUOTE})?\s*+\]?\s*+(?P<sign>=>|:=|[:=])\s*+(?P<open>{_QUOTE})")
_PASSED = re.compile(rf"(?P<close>{_QUOTE})\s*+(?P<sign>,)\s*+(?P<open>{_QUOTE})")
_CALL = re.compile(rf"\(\s*(?:{_QUOTE})\Z")
_CLOSED_BY = {mark: re.compile(rf"[^{mark}\\\n]*+(?:\\.[^{mark}\\\n]*+)*+(?={mark})") for mark in "\"'`"}
_PARAMETER = re.compile(r"(?:\]|%5[Dd])*=([^\s\"'<>&#;\\)$\[{(]+)")
_LINE = re.compile(r"[ \t]*+[:=][ \t]*+([^\s\"'#;]++)[ \t\r]*+(?:$|[#;])", re.M)
_INLINE = re.compile(r"=([^\s\"'<>&#;,)\]]{8,})")  # `… failed with password=X; …`, in a message
_LINE_START = re.compile(r"(?:^|\n)[ \t]*(?:export |[-#;] ?)?\Z")
_ELEMENT_START = re.compile(r"<(?:[\w.-]+:)?\Z")
_ELEMENT = re.compile(r"(?:\s[^<>]*)?>(?:<!\[CDATA\[)?([^<>]+?)(?:\]\]>)?</")
_MEMBER = re.compile(r"</name>\s*<value>\s*(?:<string>)?([^<>]+)<")  # XML-RPC
_TAG = re.compile(r"<(input|meta|textarea|param)\b((?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+)>?", re.I)
_ATTRIBUTE = re.compile(r"([^\s\"'<>/=]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'=<>`]+)))?")
_BUTTONS = frozenset({"submit", "button", "checkbox", "radio", "image", "reset", "file"})


class Scanned:
    """A text that rules one and two have been through."""

    __slots__ = ("kind", "marks", "scalars", "text")

    def __init__(self, text: str, kind: Kind) -> None:
        self.text = text
        self.kind = kind
        self.marks: list[Mark] = []
        self.scalars: list[Scalar] | None = None


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
        self.secrets: dict[str, Known] = {}
        self._probes: list[str] = []

    @property
    def rules(self) -> frozenset[str]:
        """What distinguishes these rules from others: the configured names."""
        return self._names.extra

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
        if self._probes:
            if self.knows(f"{path}\n{query}"):
                path, query = self.known(path), self.known(query)
            if len(self.secrets) > len(head.secrets):  # the query told of others
                return path, query, self.shown(head)
        return path, query, head.shown

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
            scanned.marks = self.by_shape(text) + self._by_name_in_form(text)
            return scanned
        if not self._names.hinted(text):
            return scanned
        scanned.marks = self.by_shape(text)
        found = list(self._names.find(text))
        if found and kind == "json":
            try:
                scanned.scalars = list(walk(text))
            except ValueError:
                scanned.kind = "text"
            else:
                scanned.marks += self._by_name_in_json(text, scanned.scalars, found)
                return scanned
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
        return replaced(text, marks), located(marks, self._locator(scanned))

    def _locator(self, scanned: Scanned) -> Callable[[int], str | None]:
        if scanned.kind == "form":
            fields = _form_pointers(scanned.text)
            starts = [start for start, _, _ in fields]

            def in_form(at: int) -> str | None:
                index = bisect_right(starts, at) - 1
                return fields[index][2] if index >= 0 else None

            return in_form
        if scanned.kind != "json":
            return lambda at: None
        if scanned.scalars is None:
            try:
                scanned.scalars = list(walk(scanned.text))
            except ValueError:
                return lambda at: None
        scalars = sorted(scanned.scalars, key=lambda scalar: scalar.start)
        begins = [scalar.start for scalar in scalars]

        def in_json(at: int) -> str | None:
            index = bisect_right(begins, at) - 1
            found = index >= 0 and at < max(scalars[index].end, scalars[index].start + 1)
            return pointer(scalars[index].path) if found else None

        return in_json

    def _mark(self, start: int, end: int, value: str, kind: str) -> Mark:
        pseudonym = self.secret(value, kind)
        return Mark(start, end, pseudonym, (pseudonym,))

    def by_shape(self, text: str) -> list[Mark]:
        """Mark what looks like a secret whatever it is called (recorder/shapes.py)."""
        marks: list[Mark] = []
        for start, end, value, kind, before in shapes(text):
            mark = self._mark(start, end, value, kind)
            marks.append(mark._replace(text=before + mark.text) if before else mark)
        return marks

    def _by_name_in_form(self, text: str) -> list[Mark]:
        marks: list[Mark] = []
        for _, name, value_start, end in pairs(text):
            raw = text[value_start:end]
            if not raw:
                continue
            kind = self._names.kind(name)
            value = _unescaped(raw)
            if kind is not None and value.lower() not in STAYS:
                marks.append(self._mark(value_start, end, value, kind))
            elif len(value) > KNOWN_LENGTH and ("=" in value or ":" in value):  # JSON, a URL or a page inside a field
                nested, redactions = self.render(self.scan(value, "json" if value[0] in "{[" else "text"))
                if redactions:
                    pseudonyms = tuple(redaction["pseudonym"] for redaction in redactions)
                    marks.append(Mark(value_start, end, quote_plus(nested), pseudonyms))
        return marks

    def _by_name_in_json(self, text: str, scalars: list[Scalar], found: list[tuple[int, int, str]]) -> list[Mark]:
        marks: list[Mark] = []
        starts = sorted(start for start, _, _ in found)
        for scalar in scalars:
            name = scalar.label or scalar.key
            kind = self._names.kind(name) if name else None
            raw = text[scalar.start : scalar.end]
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

    def _by_name(self, text: str, kind: Kind, found: list[tuple[int, int, str]]) -> list[Mark]:
        marks = self._in_tags(text) if kind != "script" else []
        looked = 0  # where the value ends that was looked at last: names within it are a part of it
        for start, end, name_kind in sorted(found):
            if start < looked:
                continue
            before = text[max(0, start - 80) : start]
            place = self._parameter(text, before, end) or self._literal(text, before, end, kind, name_kind)
            if place is None and "<" in before:
                place = self._element(text, before, end)
            if place is None and kind in ("text", "unknown"):
                line = _LINE.match(text, end) if _LINE_START.search(before) else None
                line = line or _INLINE.match(text, end)
                if line and _credential(line[1]):
                    place = (*line.span(1), line[1])
                elif line and len(line[1]) > _LONG:
                    looked = line.end(1)
            if place is not None and place[2].lower() not in STAYS:
                looked = place[1]
                marks.append(self._mark(*place, name_kind))
        return marks

    def _parameter(self, text: str, before: str, end: int) -> tuple[int, int, str] | None:
        """`?token=X` in a URL that stands in a text."""
        if not before.endswith(("?", "&", "&amp;", "\\u0026", "[")) or before.endswith("&&"):
            return None
        found = _PARAMETER.match(text, end)
        return (*found.span(1), unquote_plus(found[1])) if found else None

    def _literal(self, text: str, before: str, end: int, kind: Kind, name_kind: str) -> tuple[int, int, str] | None:
        """`csrfToken = "X"`, `"csrfToken": "X"`, `data-csrf-token="X"`, `set("X-CSRFToken", "X")`, however quoted."""
        found = _ASSIGNED.match(text, end)
        if found is None:
            found = _PASSED.match(text, end)
            if found is None or not _CALL.search(before):
                return None
        mark = found["open"]
        start = found.end()
        if mark in _CLOSED_BY:
            closed = _CLOSED_BY[mark].match(text, start)
            stop = closed.end() if closed else -1
        else:
            stop = text.find(mark, start, start + _KNOWN_LONGEST)
            while stop > start and text[stop - 1] == "\\" and not mark.startswith("\\"):
                stop = text.find(mark, stop + 1, start + _KNOWN_LONGEST)
        if stop <= start:
            return None
        value = text[start:stop]
        if "&" in value and (kind in ("html", "xml") or mark.startswith("&")):
            value = html.unescape(value)
        if "\\" in value:
            value = decode_string(value)[0]
        if name_kind == "configured" or kind == "xml":
            return start, stop, value
        if self._names.kind(value) is not None and not any(char.isdigit() for char in value):
            return None  # the name of another field, not a value
        as_in_json = found["sign"] == ":" and found["close"] is not None and kind != "script"
        if any(char.isspace() for char in value):
            good = as_in_json and name_kind == "password"
        elif as_in_json:
            good = True
        elif name_kind in ("csrf", "apikey", "session"):
            good = len(value) >= 8
        else:
            good = _credential(value)
        return (start, stop, value) if good else None

    def _element(self, text: str, before: str, end: int) -> tuple[int, int, str] | None:
        """`<password>X</password>`, and the member of a struct in XML-RPC."""
        if _ELEMENT_START.search(before):
            found = _ELEMENT.match(text, end)
        elif before.endswith("<name>"):
            found = _MEMBER.match(text, end)
        else:
            return None
        return (*found.span(1), html.unescape(found[1])) if found and found[1].strip() else None

    def _in_tags(self, text: str) -> list[Mark]:
        """`<input name="csrf_token" value="X">`, `<meta name="csrf-token" content="X">`, `<textarea name=secret>X<`."""
        marks: list[Mark] = []
        for tag in _TAG.finditer(text):
            attributes: dict[str, tuple[int, int]] = {}
            for attribute in _ATTRIBUTE.finditer(text, *tag.span(2)):
                group = attribute.lastindex or 1
                attributes.setdefault(attribute[1].lower(), attribute.span(group) if group > 1 else (0, 0))

            def of(name: str, attributes: dict[str, tuple[int, int]] = attributes) -> str:
                return html.unescape(text[slice(*attributes.get(name, (0, 0)))])

            element = tag[1].lower()
            kind = self._names.kind(of("name")) or (self._names.kind(of("id")) if element != "meta" else None)
            if element == "input" and of("type").lower() == "password":
                kind = kind or "password"
            if kind is None or (element == "input" and of("type").lower() in _BUTTONS):
                continue
            start, end = attributes.get("content" if element == "meta" else "value", (0, 0))
            if element == "textarea":
                start = tag.end()
                end = text.find("<", start)
            value = html.unescape(text[start:end]) if end > start else ""
            if value.strip().lower() not in STAYS:
                marks.append(self._mark(start, end, value, kind))
        return marks


def _octets(part: Any) -> bytes:
    return bytes(memoryview(part))  # `bytes` alone makes zeros of a number


def _credential(value: str) -> bool:
    """Return whether a literal looks like a credential rather than like a word or an identifier."""
    if len(value) < 8 or PSEUDONYM.fullmatch(value):
        return False
    letters = any(char.isalpha() for char in value)
    mixed = value.lower() != value and value.upper() != value
    return (letters and any(char.isdigit() for char in value)) or (mixed and len(value) >= 16 and "." not in value)


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
