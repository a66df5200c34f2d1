"""HTML that is safe by construction: what is no `Html` is escaped, wherever it comes from."""

from __future__ import annotations

from html import escape

from playback.summary import visible

__all__ = ["Html", "joined", "tag", "text"]

_EMPTY = ("br", "img", "meta")


class Html(str):
    """Text that is markup. Only this module's functions, and constants, make it."""

    __slots__ = ()


def text(value: object, *, lines: bool = False) -> Html:
    """`value` escaped, its unprintable characters made visible; with `lines` line ends and tabs stay."""
    if isinstance(value, Html):
        return value
    shown = str(value)
    if lines:
        return Html(escape("\n".join("\t".join(map(visible, line.split("\t"))) for line in shown.split("\n"))))
    return Html(escape(visible(shown)))


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """An element. `class_` is the attribute `class`; of True the name stands alone, of None and False nothing."""
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{text(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _EMPTY:
        return Html(f"<{name}{written}>")
    inner = "".join(text(child, lines=name == "pre") for child in children if child is not None)
    # The first line end of <pre> is dropped (WHATWG HTML, 13.2.6.4.7).
    first = "\n" if name == "pre" and inner.startswith("\n") else ""
    return Html(f"<{name}{written}>{first}{inner}</{name}>")


def joined(*children: object) -> Html:
    """Children without an element around them."""
    return Html("".join(text(child) for child in children if child is not None))
