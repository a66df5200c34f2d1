"""What an HTML page says and offers: its visible text, its forms, its links. Everything else is decoration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from assembler.shapes import id_like, pieces

__all__ = ["Field", "Form", "Page", "read_page"]

_AMOUNT = re.compile(r"(?:\d|\ban?) (?:second|minute|hour|day|week|month|year)s?$")
_SILENT = {"script", "style", "template", "noscript", "head", "svg"}


@dataclass
class Field:
    """One control of a form: its name, kind, value, whether it is chosen, the options of a select, and what a box says."""

    name: str
    kind: str
    value: str
    chosen: bool = False
    options: list[tuple[str, str, bool]] = field(default_factory=list)
    label: str = ""


@dataclass
class Form:
    """One form: where it goes, how, and what it would send."""

    method: str
    action: str
    fields: list[Field] = field(default_factory=list)


@dataclass
class Page:
    """The comparable content of a page, each list in document order.

    `islands` are its JSON documents, in scripts and attributes; `ids` are the numbers under a heading that says id."""

    text: list[str] = field(default_factory=list)
    forms: list[Form] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    islands: list[str] = field(default_factory=list)
    ids: list[tuple[str, str]] = field(default_factory=list)


def read_page(source: str) -> Page:
    """Parse a page; malformed markup is read as a browser would (WHATWG HTML)."""
    tree = LexborHTMLParser(source)
    page = Page()
    title = tree.css_first("title")
    if title is not None and (text := _folded(title.text())):
        page.text.append(text)
    if tree.body is not None:
        _walk(tree.body, page)
    for node in tree.css("form"):
        page.forms.append(_form(node))
    for node in tree.css(
        "a[href], area[href], img[src], iframe[src], link[rel=next], link[rel=prev], link[rel=canonical]"
    ):
        target = node.attributes.get("href") or node.attributes.get("src")
        if target and not target.startswith("data:"):
            page.links.append(target)
    for node in tree.css('script[type="application/json"], script[type="application/ld+json"]'):
        page.islands.append(node.text())
    page.islands.extend(_documents_in_attributes(tree))
    page.ids.extend(_numbers_headed_id(tree))
    return page


def _numbers_headed_id(tree: LexborHTMLParser) -> Iterator[tuple[str, str]]:
    """Heading and number of every cell that a table calls an id: in a column of that name, or beside its name."""
    for table in tree.css("table"):
        columns: list[str] = []
        for row in table.css("tr"):
            cells = [node for node in row.iter() if node.tag in ("td", "th")]
            if cells and all(cell.tag == "th" for cell in cells):
                columns = [_heading(cell) for cell in cells]
                continue
            headed = zip(columns, cells, strict=False) if len(columns) == len(cells) else zip([], [], strict=True)
            beside = [(_heading(cells[0]), cells[1])] if len(cells) == 2 and cells[0].tag == "th" else []
            for heading, cell in (*headed, *beside):
                if id_like(heading) and (number := _folded(cell.text())).isdecimal():
                    yield heading, number


def _heading(cell: LexborNode) -> str:
    return "_".join(_folded(cell.text()).lower().split())


def _documents_in_attributes(tree: LexborHTMLParser) -> Iterator[str]:
    """What a page hands to its scripts in attributes (`data-props='{"id": 7}'`): as much content as its text is."""
    for node in tree.css("body *"):
        for value in node.attributes.values():
            if value and value.lstrip()[:1] in ("{", "[") and _is_document(value):
                yield value


def _is_document(text: str) -> bool:
    try:
        return isinstance(json.loads(text), (dict, list))
    except ValueError:
        return False


def _walk(root: LexborNode, page: Page) -> None:
    for node in root.traverse(include_text=True):
        if node.tag == "-text":
            parent = node.parent
            if parent is None or _hidden(parent) or parent.tag == "textarea":
                continue
            if text := _folded(node.text(deep=False)):
                # "<a>3 minutes</a> ago" says how long ago, whatever element the number stands in.
                if text.split(" ")[0] == "ago" and page.text and _AMOUNT.search(page.text[-1]):
                    page.text[-1] += f" {text}"
                else:
                    page.text.append(f"{text} ago" if _is_age(parent, text) else text)
        elif node.tag == "img" and (text := _folded(node.attributes.get("alt") or "")) and not _hidden(node):
            page.text.append(text)


def _is_age(element: LexborNode, text: str) -> bool:
    """True for a bare amount of time beside the moment it counts from: `<time datetime="2026-…">3 minutes</time>`."""
    if not re.fullmatch(r"(?:\d+|an?) [a-z]+", text) or not _AMOUNT.search(text):
        return False
    beside = (element.attributes.get(name) or "" for name in ("datetime", "title", "data-time", "data-timestamp"))
    return any(piece.kind == "clock" for moment in beside for piece in pieces(moment))


def _hidden(node: LexborNode) -> bool:
    parent: LexborNode | None = node
    while parent is not None:
        if parent.tag in _SILENT:
            return True
        parent = parent.parent
    return False


def _form(node: LexborNode) -> Form:
    form = Form((node.attributes.get("method") or "get").lower(), node.attributes.get("action") or "")
    labels = {label.attributes.get("for"): _folded(label.text()) for label in node.css("label[for]")}
    for control in node.css("input, select, textarea, button"):
        name = control.attributes.get("name")
        if not name or "disabled" in control.attributes:
            continue
        kind = (control.attributes.get("type") or control.tag or "").lower()
        if control.tag == "select":
            options = [
                (
                    o.attributes.get("value") if o.attributes.get("value") is not None else _folded(o.text()),
                    _folded(o.text()),
                    "selected" in o.attributes,
                )
                for o in control.css("option")
            ]
            form.fields.append(Field(name, "select", "", options=[(v or "", t, s) for v, t, s in options]))
        elif control.tag == "textarea":
            form.fields.append(Field(name, "textarea", (control.text() or "").removeprefix("\n")))
        else:
            value, chosen = control.attributes.get("value") or "", "checked" in control.attributes
            label = _label(control, labels) if kind in ("checkbox", "radio") else ""
            form.fields.append(Field(name, kind, value, chosen, label=label))
    return form


def _label(box: LexborNode, labels: Mapping[str | None, str]) -> str:
    """What stands beside a box to be ticked: its label's text, whether that points to it or lies around it."""
    parent = box.parent
    around = _folded(parent.text()) if parent is not None and parent.tag == "label" else ""
    return labels.get(box.attributes.get("id") or "", around)


def _folded(text: str | None) -> str:
    return " ".join((text or "").split())
