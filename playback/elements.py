"""What an XML document says: its elements in document order, each with its attributes and its own text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from xml.etree import ElementTree

__all__ = ["Element", "is_xml", "read_elements"]


@dataclass(frozen=True)
class Element:
    """One element. `where` leads to it by local names, numbered among like siblings; `tag` holds the namespace too."""

    where: str
    tag: str
    name: str
    text: str
    attributes: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        shown = [self.name, *(f"{_local(k)}={v}" for k, v in self.attributes.items())]
        return f"<{' '.join(shown)}> {self.text}".rstrip()


def is_xml(media_type: str, text: str) -> bool:
    """True for XML by its media type (RFC 7303) or its declaration; XHTML is read as a page."""
    if media_type == "application/xhtml+xml" or media_type.endswith("html"):
        return False
    return media_type.endswith(("/xml", "+xml")) or text.lstrip("\ufeff \r\n")[:5] == "<?xml"


def read_elements(source: str) -> list[Element] | None:
    """The elements of a document, or None where it is malformed or declares entities of its own."""
    if "<!DOCTYPE" in source or "<!ENTITY" in source:
        return None
    try:
        root = ElementTree.fromstring(source.lstrip("\ufeff \r\n"))
    except ElementTree.ParseError:
        return None
    found: list[Element] = []
    stack = [(root, f"/{_local(root.tag)}", "")]
    while stack:
        node, where, called = stack.pop()
        texts = [node.text, *(child.tail for child in node)]
        text = " ".join(" ".join((t or "").split()) for t in texts).strip()
        found.append(Element(where, node.tag, called or _local(node.tag), text, dict(node.attrib)))
        if node.tag == "member" and root.tag == "methodResponse":
            called = (node.findtext("name") or "").strip()  # XML-RPC names its values by texts
        stack.extend(
            (child, spot, called if child.tag != "name" else "") for child, spot in reversed(_children(node, where))
        )
    return found


def _children(node: ElementTree.Element, where: str) -> list[tuple[ElementTree.Element, str]]:
    alike = Counter(child.tag for child in node)
    seen: Counter[str] = Counter()
    placed: list[tuple[ElementTree.Element, str]] = []
    for child in node:
        spot = f"{where}/{_local(child.tag)}"
        if alike[child.tag] > 1:
            spot += f"/{seen[child.tag]}"
            seen[child.tag] += 1
        placed.append((child, spot))
    return placed


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
