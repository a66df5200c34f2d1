"""The evidence in a `profile.yaml`: the comment that the assembler wrote above or behind each thing it worked out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["Remarks", "remarks"]

_STEP = re.compile(r"\s{0,4}- id:\s*[\"']?([A-Za-z0-9_][A-Za-z0-9_.-]*)")
_TARGET = re.compile(r"\s{0,4}- target:\s*(?:\"(.+?)\"|'(.+?)'|([^\s#].*?))\s*(?:#.*)?$")
_SECTION = re.compile(r"([a-z_]+):")
_KEY = re.compile(r"\s+(?:- )?([A-Za-z0-9_.-]+):")
_BEHIND = re.compile(r"\s#\s([^\"']+)$")


@dataclass
class Remarks:
    """Comments by what they stand beside: a step, a key within a step (`csrf_token`, `wait`), a compared file."""

    steps: dict[str, list[str]] = field(default_factory=dict)
    keys: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    files: dict[str, list[str]] = field(default_factory=dict)


def remarks(text: str) -> Remarks:
    """The comments of a document that was read; those of a document in another layout are left out, not guessed."""
    found, above = Remarks(), list[str]()
    section, step, target = "", "", ""
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("#"):
            above.append(bare.lstrip("# "))
            continue
        if head := _SECTION.match(line):
            section, step, target = head[1], "", ""
        elif section in ("prologue", "steps") and (named := _STEP.match(line)):
            step = named[1]
            found.steps[step] = above
        elif section == "comparisons" and (named := _TARGET.match(line)):
            target = next(name for name in named.groups() if name is not None)
        behind = _BEHIND.search(line)
        said = [*above, behind[1].strip()] if behind else above
        if said and step and (key := _KEY.match(line)) and not _STEP.match(line):
            found.keys.setdefault((step, key[1]), []).extend(said)
        elif said and target:
            found.files.setdefault(target, []).extend(said)
        above = []
    return found
