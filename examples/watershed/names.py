"""Run ids that people can say: an adjective and a noun, as in `backed-globule`."""

from __future__ import annotations

import secrets
from pathlib import Path

WORDS = Path(__file__).parent / "data" / "words.txt"
ADJECTIVES, NOUNS = (line.split() for line in WORDS.read_text(encoding="ascii").splitlines())


def word_pair() -> str:
    return f"{secrets.choice(ADJECTIVES)}-{secrets.choice(NOUNS)}"
