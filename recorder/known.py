"""A value that is known to be secret, found again in whichever escaping it stands."""

from __future__ import annotations

import base64
import functools
import html
import json
import re
from collections.abc import Iterator
from html.entities import codepoint2name
from urllib.parse import quote, quote_plus

__all__ = ["Known", "known"]

_PROBE = 48  # characters that are asked for: to ask for long ones that repeat themselves takes long
_BEGINNING, _SHORT = 6, 64
"""A pattern is tried at every place in a text, and goes on as far as it fits. Where a value's beginning does not stand in
it again, that takes no longer than the text is long; a longer one, in which it does, is looked for in its usual spellings."""


class Known:
    """A value known to be secret, found again in raw, URL-, form-, HTML-, JSON-escaped and base64 form.

    A text that has none of `probes` in it does not hold it: the first is the longest part that no escaping changes, the
    others are what base64 makes of it.
    """

    __slots__ = ("_blobs", "_pattern", "probes", "pseudonym", "value")

    def __init__(self, value: str, pseudonym: str) -> None:
        self.value = value
        self.pseudonym = pseudonym
        self._blobs = _base64_cores(value)
        longest = max(re.findall(r"[A-Za-z0-9]*", value), key=len)
        self.probes = tuple(part[:_PROBE] for part in (longest, *self._blobs))
        self._pattern: re.Pattern[str] | None = None

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of its occurrences."""
        literal = self._blobs
        if self.probes[0] in text:
            if text.count(self.value) == text.count(self.probes[0]):  # as it is, and in no other spelling
                literal += (self.value,)
            elif len(self.value) > _SHORT and self.value.find(self.value[:_BEGINNING], 1) > 0:
                literal += _escapings(self.value)
            else:
                if self._pattern is None:
                    self._pattern = re.compile("".join(map(_escaped, self.value)))
                for found in self._pattern.finditer(text):
                    yield found.span()
        for form in literal:
            at = text.find(form)
            while at >= 0:
                yield at, at + len(form)
                at = text.find(form, at + len(form))


def _escapings(value: str) -> tuple[str, ...]:
    """Return the usual spellings of a value: as it is, in URLs, forms, pages and JSON."""
    spelt = {value, quote(value), quote(value, safe=""), quote(quote(value, safe=""), safe=""), quote_plus(value)}
    for each in (value, html.escape(value), html.escape(value, quote=False)):
        spelt |= {each, json.dumps(each)[1:-1], json.dumps(each, ensure_ascii=False)[1:-1]}
    return tuple(sorted(spelt, key=len, reverse=True))


@functools.lru_cache(256)
def known(value: str, pseudonym: str) -> Known:
    """A session's secrets come with each of its requests."""
    return Known(value, pseudonym)


@functools.lru_cache(1024)
def _escaped(char: str) -> str:
    """Return a pattern for a character in whichever escaping."""
    if char.isascii() and char.isalnum():
        return re.escape(char)
    code = ord(char)
    octets = char.encode("utf-8", "surrogatepass")
    forms = {
        re.escape(char),
        "".join(f"%(?:25)?{octet:02x}" for octet in octets),
        f"&(?:amp;)?#0*{code};?",
        f"&(?:amp;)?#x0*{code:x};?",
        rf"\\+u\{{0*{code:x}\}}",
        "".join(rf"\\+u{unit}" for unit in char.encode("utf-16-be", "surrogatepass").hex(" ", 2).split()),
    }
    if code in codepoint2name:
        forms.add(f"&(?:amp;)?{codepoint2name[code]};")
    if code < 256:
        forms.add(rf"\\+x{code:02x}")
    if char in "/\"'\\`":
        forms.add(rf"\\+{re.escape(char)}")
    if char == "'":
        forms.add("&apos;")
    if char == " ":
        forms.add(r"\+")
    if char == "\n":
        forms.add(r"\\+n|\r\n|\\+r\\+n")
    escaped = r"\\*" if char in "\"'" else ""  # in JSON that stands in an attribute
    return f"{escaped}(?i:{'|'.join(sorted(forms, key=len, reverse=True))})"


def _base64_cores(value: str) -> tuple[str, ...]:
    """Return what the base64 of any text that contains the value must contain, in both alphabets."""
    data = value.encode("utf-8", "surrogatepass")
    cores = set()
    for shift in range(3):
        blob = base64.b64encode(b"\0" * shift + data).decode().rstrip("=")
        core = blob[(0, 2, 3)[shift] : len(blob) - (1 if (shift + len(data)) % 3 else 0)]
        cores |= {core, core.translate(str.maketrans("+/", "-_"))}
    return tuple(sorted(cores))
