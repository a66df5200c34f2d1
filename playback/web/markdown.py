"""The README of a profile as HTML. Markup in it is text: it is written by whoever wrote the profile."""

from __future__ import annotations

from markdown_it import MarkdownIt
from markupsafe import Markup

from playback.web.show import inert

__all__ = ["rendered"]

_LARGEST = 200_000  # characters
_UNDER = 2  # the page has headings of its own above those of the text
_PARSER = (
    MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"]).disable("image")
)


def rendered(text: str) -> Markup:
    """`text` (CommonMark with tables) as HTML without pictures; addresses that run something are no links."""
    tokens = _PARSER.parse(str(inert(text[:_LARGEST])))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + _UNDER)}"
        for child in token.children or []:
            if child.type == "link_open":
                child.attrSet("rel", "noopener noreferrer nofollow")
    return Markup(_PARSER.renderer.render(tokens, _PARSER.options, {}))
