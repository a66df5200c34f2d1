"""Where in a text the value stands that belongs to the name of a secret: in pages, scripts, URLs, messages, files.

Each rule says what it is for by an example. A value that is told by its place alone (a member of JSON, a field of a form)
is taken as it is; one that might as well be a word of a sentence or an expression of a program has to look like a
credential.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote_plus

from recorder.jsonwalk import decode_string
from recorder.media import Kind
from recorder.names import Names
from recorder.pseudonyms import PSEUDONYM
from recorder.shapes import Shape
from recorder.tables import cells, secret_columns

__all__ = ["Found", "credential", "places"]

Found = tuple[int, int, str]
"""The name of a secret in a text: start, end, and the kind of secret."""

_LONGEST = 8192
_LONG = 1024  # characters of a value in a message; a longer one is looked at once, however many names are in it

_QUOTE = r"\\*[\"']|`|&(?:quot|apos|#0*3[49]|#[xX]0*2[27]);|\\+u002[27]|\\+x2[27]"
_ASSIGNED = re.compile(
    rf"(?P<close>{_QUOTE})?\s*+\]?\s*+(?P<sign>=>|:=|[:=])\s*+(?:[bBuUrR]{{1,2}}(?=[\"']))?(?P<open>{_QUOTE})"
)
_PASSED = re.compile(rf"(?P<close>{_QUOTE})\s*+(?P<sign>,)\s*+(?P<open>{_QUOTE})")
_CALL = re.compile(rf"\(\s*(?:{_QUOTE})\Z")
_CLOSED_BY = {mark: re.compile(rf"[^{mark}\\\n]*+(?:\\.[^{mark}\\\n]*+)*+(?={mark})") for mark in "\"'`"}
_NUMBER = re.compile(r"(?P<close>\\*\")\s*+:\s*+(-?[0-9]{1,32})(?=\s*[,}\]])")
_PARAMETER = re.compile(r"(?:\]|%5[Dd])*=([^\s\"'<>&#;\\)$\[{(]+)")
_LINE = re.compile(r"[\"']?[ \t]*+[:=][ \t]*+([^\s\"'#;]++)[ \t\r]*+(?:$|[#;])", re.M)
_LINE_START = re.compile(r"(?:^|\n)[ \t]*(?:export |[-#;] ?)?[\"']?\Z")
_BLOCK = re.compile(r"[\"']?[ \t]*+:[ \t]*+[|>][+-]?[ \t\r]*+\n[ \t]++(\S[^\r\n]*+)")
_INLINE = re.compile(r"(?:=|:[ \t]++)([^\s\"'<>&#;,)\]}]{8,})")  # `… failed with password=X; …`, in a message
_CONNECTION = re.compile(r"=[^=;\s]{0,60}(?:; ?| )\Z")
_SPACED = re.compile(r"(?: is)?:?[ \t]+([^\s\"'<>,;]{4,200})")
_NETRC = re.compile(r"\blogin\s{1,8}\S{1,60}\s{1,8}\Z")
_SHOWN = re.compile(r":?\s{0,8}(?:<[^<>]{1,200}>\s{0,8}){1,5}:?\s{0,8}([^\s<>&]{12,200})\s{0,8}<")
_ELEMENT_START = re.compile(r"<(?:[\w.-]+:)?\Z")
_ELEMENT = re.compile(r"(?:\s[^<>]*)?>(?:<!\[CDATA\[)?([^<>]+?)(?:\]\]>)?</")
_MEMBER = re.compile(r"</(?:name|key)>\s*(?:<value>\s*)?(?:<string>)?([^<>]+)<")  # XML-RPC, property lists
_TAG = re.compile(r"<(input|meta|textarea|param|button)\b((?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+)>?", re.I)
_XML_TAG = re.compile(r"<([A-Za-z][\w:.-]*+)((?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+)>?")
_ATTRIBUTE = re.compile(r"([^\s\"'<>/=]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'=<>`]+)))?")
_BUTTONS = frozenset({"submit", "button", "checkbox", "radio", "image", "reset", "file"})
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PASSWORD = re.compile(r"[^\s(){}<>*$,|]{4,200}")
_EXPRESSION = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+")
_SAID = re.compile(  # of a password, rather than being one
    r"(?:required|optional|changed|reset|updated|invalid|incorrect|wrong|missing|expired|none|null|true|false|hidden|masked"
    r"|redacted|secret|string|varchar|text|yourpassword)[.!]?",
    re.I,
)


def places(text: str, kind: Kind, found: Iterable[Found], names: Names) -> Iterator[Shape]:
    """Yield the secrets that belong to the names that were found in a text."""
    message = kind in ("text", "unknown")
    if kind != "script":
        yield from _in_tags(text, kind, names)
    if message and (table := secret_columns(text, names.kind)) is not None:
        for cell in cells(text, *table):
            yield Shape(*cell)
    looked = 0  # where the value ends that was looked at last: names within it are a part of it
    for start, end, name_kind in sorted(found):
        if start < looked:
            continue
        before = text[max(0, start - 80) : start]
        place = _parameter(text, before, end) or _literal(text, before, start, end, kind, name_kind, names)
        if place is None and "<" in before:
            place = _element(text, before, end)
        if place is None and message:
            place = _in_message(text, before, start, end, name_kind, names)
        elif place is None and kind != "xml":
            place = _in_page(text, before, end)
        if place is not None:
            looked = place[1]
            yield Shape(*place, name_kind)
        elif (line := _INLINE.match(text, end)) and len(line[1]) > _LONG:
            looked = line.end(1)
        elif (number := _NUMBER.match(text, end)) and names.secret_number(text[start:end]):
            yield Shape(*number.span(2), number[2], name_kind, number["close"], number["close"])


Place = tuple[int, int, str]
"""Where a value stands, and what it is when its escaping is undone."""


def _parameter(text: str, before: str, end: int) -> Place | None:
    """`?token=X` in a URL that stands in a text."""
    if not before.endswith(("?", "&", "&amp;", "\\u0026", "[", "#")) or before.endswith("&&"):
        return None
    found = _PARAMETER.match(text, end)
    return (*found.span(1), unquote_plus(found[1])) if found else None


def _literal(text: str, before: str, name: int, end: int, kind: Kind, name_kind: str, names: Names) -> Place | None:
    """`csrfToken = "X"`, `"csrfToken": "X"`, `data-csrf-token="X"`, `set("X-CSRFToken", "X")`, however quoted."""
    found = _ASSIGNED.match(text, end)
    if found is None:
        found = _PASSED.match(text, end)
        if found is None or not (_CALL.search(before) or text.startswith("--", name)):  # ["--password", "X"]
            return None
    mark = found["open"]
    start = found.end()
    if mark in _CLOSED_BY:
        closed = _CLOSED_BY[mark].match(text, start)
        stop = closed.end() if closed else -1
    else:
        stop = text.find(mark, start, start + _LONGEST)
        while stop > start and text[stop - 1] == "\\" and not mark.startswith("\\"):
            stop = text.find(mark, stop + 1, start + _LONGEST)
    if stop <= start:
        return None
    value = text[start:stop]
    if "&" in value and (kind in ("html", "xml") or mark.startswith("&")):
        value = html.unescape(value)
    if "\\" in value:
        value = decode_string(value)[0]
    if name_kind == "configured" or kind == "xml":
        return start, stop, value
    if names.kind(value) is not None and not any(char.isdigit() for char in value):
        return None  # the name of another field, not a value
    as_in_json = found["sign"] == ":" and found["close"] is not None and kind != "script"
    if any(char.isspace() for char in value):
        good = as_in_json and name_kind == "password"
    elif as_in_json:
        good = True
    elif name_kind in ("csrf", "apikey", "session"):
        good = len(value) >= 8
    elif name_kind == "password" and kind in ("text", "unknown"):
        good = _password(value, names)
    else:
        good = credential(value)
    return (start, stop, value) if good else None


def _element(text: str, before: str, end: int) -> Place | None:
    """`<password>X</password>`, and the member of a struct in XML-RPC."""
    if _ELEMENT_START.search(before):
        found = _ELEMENT.match(text, end)
    elif before.endswith(("<name>", "<key>")):
        found = _MEMBER.match(text, end)
    else:
        return None
    return (*found.span(1), html.unescape(found[1])) if found and found[1].strip() else None


def _in_message(text: str, before: str, start: int, end: int, name_kind: str, names: Names) -> Place | None:
    """`password = X` on a line of its own, `token=X` in a sentence, `user=ada password=X`, `--token X`, `invalid token X`."""
    if _LINE_START.search(before):
        line = _LINE.match(text, end)
        if line and (credential(line[1]) or (name_kind == "password" and _password(line[1], names))):
            return (*line.span(1), line[1])
        if block := _BLOCK.match(text, end):
            return (*block.span(1), block[1])
    line = _INLINE.match(text, end)
    if line and (credential(line[1]) or _in_connection(line[1], before, name_kind, names)):
        return (*line.span(1), line[1])
    spaced = _SPACED.match(text, end)
    if spaced is None or spaced[1].startswith("-") or names.kind(spaced[1]) is not None:
        return None
    given = text.startswith("--", start) or (name_kind == "password" and _NETRC.search(before) is not None)
    return (*spaced.span(1), spaced[1]) if given or _strong(spaced[1]) else None


def _in_connection(value: str, before: str, name_kind: str, names: Names) -> bool:
    """Whether a value stands among others as in `host=h user=ada password=X` and `User Id=ada;Password=X;`."""
    return name_kind == "password" and _CONNECTION.search(before) is not None and _password(value, names)


def _in_page(text: str, before: str, end: int) -> Place | None:
    """`document.cookie = "csrftoken=X; path=/"`, `<th>API key</th><td>X</td>`."""
    if before[-1:] in ("'", '"', "`") and text.startswith("=", end):
        line = _INLINE.match(text, end)
        return (*line.span(1), line[1]) if line and credential(line[1]) else None
    shown = _SHOWN.match(text, end) if text.find("<", end, end + 10) >= 0 else None
    return (*shown.span(1), shown[1]) if shown and _strong(shown[1]) else None


def _in_tags(text: str, kind: Kind, names: Names) -> Iterator[Shape]:
    """`<input name="csrf_token" value="X">`, `<meta name="csrf-token" content="X">`, `<textarea name=secret>X<`.

    In XML any element: `<add key="Password" value="X"/>`, `<property name="api.key">X</property>`.
    """
    for tag in (_XML_TAG if kind == "xml" else _TAG).finditer(text):
        attributes: dict[str, tuple[int, int]] = {}
        for attribute in _ATTRIBUTE.finditer(text, *tag.span(2)):
            group = attribute.lastindex or 1
            attributes.setdefault(attribute[1].lower(), attribute.span(group) if group > 1 else (0, 0))

        def of(name: str, attributes: dict[str, tuple[int, int]] = attributes) -> str:
            return html.unescape(text[slice(*attributes.get(name, (0, 0)))])

        element = tag[1].lower()
        what = names.kind(of("name")) or (names.kind(of("id")) if element != "meta" else None)
        if kind == "xml":
            what = what or names.kind(of("key"))
        if element == "input" and of("type").lower() == "password":
            what = what or "password"
        if what is None or (element == "input" and of("type").lower() in _BUTTONS):
            continue
        start, end = attributes.get("content" if element == "meta" else "value", (0, 0))
        if element == "textarea" or (kind == "xml" and end == start and not tag[0].endswith("/>")):
            start = tag.end()
            end = text.find("<", start)
        value = html.unescape(text[start:end]) if end > start else ""
        if element == "button" and not credential(value):
            continue
        yield Shape(start, end, value.strip() and value, what)


def credential(value: str) -> bool:
    """Return whether a literal looks like a credential rather than like a word or an identifier."""
    if len(value) < 8 or PSEUDONYM.fullmatch(value):
        return False
    letters = any(char.isalpha() for char in value)
    mixed = value.lower() != value and value.upper() != value
    return (letters and any(char.isdigit() for char in value)) or (mixed and len(value) >= 16 and "." not in value)


def _strong(value: str) -> bool:
    """Whether a value that merely follows a secret's name is a credential: long, of small and large letters and digits."""
    some = value.lower() != value and value.upper() != value and any(char.isdigit() for char in value)
    return (
        some and len(value) >= 12 and "://" not in value and not _UUID.fullmatch(value) and not PSEUDONYM.search(value)
    )


def _password(value: str, names: Names) -> bool:
    """Whether a value in the place of a password may be one: not what is said of it, and no expression of a program."""
    if not _PASSWORD.fullmatch(value) or _SAID.fullmatch(value) or PSEUDONYM.search(value):
        return False
    return names.kind(value) is None and not _EXPRESSION.fullmatch(value)
