"""What a value from an answer is called in a profile."""

from __future__ import annotations

import re

from assembler.profile import Extract
from assembler.shapes import id_like, pieces
from assembler.slots import Slot

__all__ = ["name_of"]


def name_of(extract: Extract, slot: Slot) -> str:
    """A readable name: the JSON key, cookie, header or field it comes from, else the slot that receives it."""
    source = ""
    if extract.json_:
        keys = re.findall(r"[A-Za-z_][A-Za-z0-9_]*", re.sub(r"\[\?.*?\]", "", extract.json_))
        source = keys[-1] if keys else ""
    elif extract.cookie:
        source = extract.cookie
    elif extract.header and extract.header not in ("location", "link"):
        source = extract.header
    elif extract.css and (named := re.search(r'name="([^"]+)"', extract.css)):
        source = named[1]
    if not source or (id_like(source) and len(source) <= 3):
        nearby = re.sub(r"[^A-Za-z0-9]+$", "", slot.role).rsplit("/", 1)[-1] if slot.place == "path" else slot.name
        if nearby and not any(piece.kind in ("uuid", "opaque", "secret", "clock") for piece in pieces(nearby)):
            counted = slot.value.isdigit() and not id_like(nearby)
            source = f"{_singular(nearby)}_{source or 'id'}" if source or counted else nearby
    name = re.sub(r"[^A-Za-z0-9]+", "_", source).strip("_").lower()
    name = name or "id"
    return name[:40] if not name[0].isdigit() else f"value_{name}"[:40]


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word
