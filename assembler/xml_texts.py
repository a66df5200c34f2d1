"""XML without a parser: where the texts and attributes of a document stand, so that one of them can be replaced and the rest
keeps every byte; and what an answer in XML says of counted ids.

Namespace prefixes are left out of names: they are chosen by whoever wrote the document.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Leaf", "is_xml", "leaves"]

_TOKEN = re.compile(
    r"<!--.*?-->|<\?.*?\?>|<!\[CDATA\[(?P<raw>.*?)\]\]>|<![^>]*>"
    r"|<(?P<end>/)?(?:[\w.-]+:)?(?P<tag>[\w.-]+)(?P<attributes>(?:[^>\"']|\"[^\"]*\"|'[^']*')*?)(?P<empty>/)?>|(?P<text>[^<]+)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"(?:[\w.-]+:)?([\w.-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")


class Leaf(NamedTuple):
    """A text or attribute. `around` are the names of the elements it stands in, the outermost first; offsets are in the
    document, and what stands between them is `written`."""

    around: tuple[str, ...]
    name: str
    written: str
    start: int
    end: int
    attribute: bool
    raw: bool

    @property
    def value(self) -> str:
        return self.written if self.raw else html.unescape(self.written)


def is_xml(media_type: str, text: str) -> bool:
    """Whether a body is XML, by its media type (RFC 7303) or its first characters."""
    return media_type.endswith(("/xml", "+xml")) or text.lstrip()[:5] == "<?xml"


def leaves(text: str) -> Iterator[Leaf]:
    """The texts (without white space around) and attributes of a document, in order."""
    stack: list[str] = []
    for match in _TOKEN.finditer(text):
        if (tag := match["tag"]) is not None:
            if match["end"]:
                if tag in stack:
                    del stack[len(stack) - 1 - stack[::-1].index(tag) :]
                continue
            base = match.start("attributes")
            for attribute in _ATTRIBUTE.finditer(match["attributes"]):
                group = 2 if attribute[2] is not None else 3
                start, end = base + attribute.start(group), base + attribute.end(group)
                yield Leaf((*stack, tag), attribute[1], attribute[group], start, end, True, False)
            if not match["empty"]:
                stack.append(tag)
            continue
        kind = "raw" if match["raw"] is not None else "text"
        written = match[kind]
        if written is not None and stack and (bare := written.strip()):
            start = match.start(kind) + written.index(bare)
            yield Leaf(tuple(stack[:-1]), stack[-1], bare, start, start + len(bare), False, kind == "raw")
