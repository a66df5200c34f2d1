"""A page of docs/ as somebody meets it: blocks of code in their order, and between them marks for the test that follows it.

A mark is a comment on a line of its own, `<!-- test: WORD … -->`. It belongs to the next block, or stands for itself:

    given NAME          what the page takes for granted is put into the folder (`tests.pages.given`)
    server SIGN         the next block runs on in the background; it is up when SIGN, an address, takes
                        connections, or is a text that it wrote
    stop                Ctrl-C in every such terminal
    exit N              the next block ends with this exit code
    prints              the next block is what the one before it wrote; `…` stands for anything
    not run: REASON     the next block is only read: its shell syntax, and every `wctl` in it
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Block", "Mark", "page_of"]

WORDS = ("given", "server", "stop", "exit", "prints", "not run")
STANDING = ("given", "stop")
FENCE = re.compile(r"^```(\w*)((?: [^`\n]*)?)$")
TITLE = re.compile(r' title="([^"]+)"')


@dataclass(frozen=True)
class Mark:
    """`given` or `stop`, where it stands."""

    line: int
    word: str
    text: str


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that it is if it has a title, and the marks above it."""

    line: int
    language: str
    title: str | None
    text: str
    marks: dict[str, str] = field(default_factory=dict)


def page_of(path: Path) -> list[Mark | Block]:
    """The blocks and marks of a page, in order. Raises ValueError, with the line, for what no reader would see as code."""
    found: list[Mark | Block] = []
    waiting: dict[str, str] = {}
    lines = iter(enumerate(path.read_text(encoding="utf-8").splitlines(), 1))
    before = ""
    for number, line in lines:
        if line.startswith("<!-- test:"):
            word, text = _mark(line, f"{path.name}:{number}")
            if word in STANDING:
                found.append(Mark(number, word, text))
            else:
                waiting[word] = text
        elif opened := FENCE.match(line):
            text = ""
            for _, inner in lines:
                if inner == "```":
                    break
                text += inner + "\n"
            title = TITLE.match(opened[2])
            found.append(Block(number, opened[1], title[1] if title else None, text, waiting))
            waiting = {}
        elif re.match(r" +```", line) or (line.startswith("    ") and not before):
            raise ValueError(f"{path.name}:{number}: a block of code that is not fenced at the beginning of a line")
        before = line
    if waiting:
        raise ValueError(f"{path.name}: no block follows the mark {waiting}")
    return found


def _mark(line: str, where: str) -> tuple[str, str]:
    inner = line.removeprefix("<!-- test:").removesuffix("-->").strip()
    for word in WORDS:
        if inner == word or inner.startswith((f"{word} ", f"{word}: ")):
            return word, inner[len(word) :].lstrip(": ")
    raise ValueError(f"{where}: no mark of this name: {inner}; there are {', '.join(WORDS)}")
