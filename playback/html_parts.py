"""What the pages of a report are made of: tables, facts, folded parts, preformatted text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from playback.tags import Html, joined, tag, text

__all__ = ["duration", "facts", "outcome", "places", "preformatted", "table", "unfold"]


def facts(*pairs: tuple[str, object]) -> Html:
    """A list of names and values; those that are None are left out."""
    return tag("dl", *[joined(tag("dt", name), tag("dd", value)) for name, value in pairs if value is not None])


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Html:
    """A table that may be wider than the page."""
    return tag("div", _table(head, rows, named=False), class_="scroll")


def places(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Html:
    """A table whose rows become paragraphs where the page is narrow."""
    return _table(head, [[joined(cell) for cell in row] for row in rows], named=True)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], *, named: bool) -> Html:
    body = [
        tag("tr", *[_cell(cell, name if named else None) for cell, name in zip(row, head, strict=False)])
        for row in rows
    ]
    heads = [tag("th", name, scope="col") for name in head]
    return tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *body), class_="places" if named else None)


def _cell(value: object, name: str | None) -> Html:
    number = isinstance(value, (int, float))
    shown = f"{value:,}" if number else value
    return tag("td", shown, class_="number" if number else None, data_name=name)


def outcome(result: str) -> Html:
    """The word for a result in its colour."""
    known = result if result in ("passed", "finished", "error", "interrupted", "skipped") else "failed"
    return tag("span", result, class_=f"result {known}")


def unfold(title: object, *children: object, open: bool = False, long: bool = False) -> Html:
    """A part that can be folded; a `long` one stays folded on paper."""
    return tag("details", tag("summary", title), *children, open=open, class_="long" if long else None)


def preformatted(lines: Sequence[str], *, diff: bool = False) -> Html:
    """Lines as they are; of a unified diff each in the colour of its sign."""
    if not diff:
        return tag("pre", "\n".join(lines), class_="wide", tabindex="0")
    return tag("pre", *[tag("span", text(line) or Html(" "), class_=_sign(line)) for line in lines], tabindex="0")


def _sign(line: str) -> str:
    if line.startswith(("--- ", "+++ ", "@@")):
        return "at"
    return {"+": "add", "-": "del"}.get(line[:1], "same")


def duration(milliseconds: float | None) -> str:
    """A time as people say it."""
    if milliseconds is None:
        return ""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.1f} s" if milliseconds < 120_000 else f"{milliseconds / 60_000:.1f} min"
