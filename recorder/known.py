"""A value that is known to be secret, found again in whichever escaping it stands."""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Iterator
from html.entities import codepoint2name

__all__ = ["Known", "known"]


class Known:
    """A value known to be secret, found again in raw, URL-, form-, HTML-, JSON-escaped and base64 form.

    A text that has none of `probes` in it does not hold it: the first is the longest part that no escaping changes, the
    others are what base64 makes of it.
    """

    __slots__ = ("_pattern", "probes", "pseudonym", "value")

    def __init__(self, value: str, pseudonym: str) -> None:
        self.value = value
        self.pseudonym = pseudonym
        self.probes = (max(re.findall(r"[A-Za-z0-9]*", value), key=len), *_base64_cores(value))
        self._pattern: re.Pattern[str] | None = None

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of its occurrences."""
        probe, *blobs = self.probes
        if probe in text:
            if self._pattern is None:
                self._pattern = re.compile("".join(map(_escaped, self.value)))
            for found in self._pattern.finditer(text):
                yield found.span()
        for blob in blobs:
            at = text.find(blob)
            while at >= 0:
                yield at, at + len(blob)
                at = text.find(blob, at + len(blob))


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
