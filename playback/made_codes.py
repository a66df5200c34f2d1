"""Short codes that an application makes up and nobody sends back: `reference: RPT-09DCF4`.

A short code is told from a model or a grade by evidence that the server made it. Having been taken from an answer is one
(`Bijection.expect_codes`); here is another: in the recorded JSON one key held several of one build, each first
in the answer to a request that may have made it, or to a read that waited for it, and the client had sent none of them.
A code that a plain read showed first (a part number) may have been there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from assembler.profile import Step
from assembler.shapes import code_like
from assembler.sources import json_leaves
from playback.documents import read_json
from playback.linked_codes import linked_codes

__all__ = ["made_codes"]

_FEWEST = 2
"""Codes under one key from which on it is one that the server fills with codes."""

_READS = {None, "GET", "HEAD", "OPTIONS"}

_SHORTEST, _LONGEST_WORD = 4, 12
_LONGEST = 40
"""Letters of a value that is a code and what it is marked with; longer ones are texts."""

_CONTENT = re.compile(
    r"hash|digest|sha|md5|crc|checksum|etag|fingerprint|version|revision|commit|model|sku|grade", re.IGNORECASE
)
"""Keys of codes that stand for what a thing is: a difference there is one of the thing."""


def made_codes(steps: Sequence[Step], folder: Path) -> Iterator[str]:
    """The codes that the recorded server made, of a profile in `folder`."""
    sent = "\n".join(_sent(steps, folder))
    under: dict[tuple[str, str], set[str]] = {}
    seen: set[str] = set()
    for step in steps:
        found = [(key, word) for key, word in _codes(_answer(step, folder)) if word not in seen and word not in sent]
        seen.update(word for _, word in found)
        for key, word in found if step.method not in _READS or step.wait is not None else ():
            under.setdefault(key, set()).add(word)
    yield from (word for words in under.values() if len(words) >= _FEWEST for word in words if code_like(word))
    yield from linked_codes(steps, folder, sent)


def _sent(steps: Iterable[Step], folder: Path) -> Iterator[str]:
    """All that the client sent."""
    for step in steps:
        yield step.model_dump_json(exclude={"expect", "extract"})
        for name in [part.file for part in step.multipart or [] if part.file] + ([step.body] if step.body else []):
            if (path := folder / name).is_file():
                yield path.read_bytes().decode(errors="replace")


def _answer(step: Step, folder: Path) -> Any:
    body = step.expect.body if step.expect is not None else None
    if body is None or not body.endswith(".json") or not (path := folder / body).is_file():
        return None
    found = read_json("application/json", path.read_bytes().decode(errors="replace"))
    return found.value if found is not None else None


def _codes(document: Any) -> Iterator[tuple[tuple[str, str], str]]:
    """Each code of a document, under the name of its key and what stands around it."""
    for path, value in json_leaves(document):
        name = next((part for part in reversed(path) if isinstance(part, str)), "")
        if isinstance(value, str) and name and len(value) <= _LONGEST and not _CONTENT.search(name):
            for word in re.findall(r"[A-Za-z0-9]+", value):
                # By chance one of several looks like a number or a model (`AD8187`).
                if _SHORTEST <= len(word) <= _LONGEST_WORD and re.search(r"\d", word):
                    yield (name, value.replace(word, "x" * len(word), 1)), word
