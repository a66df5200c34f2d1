"""Secrets that showed themselves too late: a script literal that comes back as a token header.

When a later request sends a value under a secret's name, its pseudonym is known; the assembler has the key, so it can
test what earlier texts hold. What matches is replaced by the pseudonym in the draft, overwritten with `*` in the log,
and a tombstone is appended (docs/formats.md, Late secrets).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assembler.recording import Bodies

__all__ = ["resolve_late"]

_CANDIDATE = re.compile(r"[A-Za-z0-9_.~+/=%!:-]{12,512}")


def resolve_late(events: Sequence[dict[str, Any]], bodies: Bodies, root: Path) -> int:
    """Replace in `events` what turns out to be a known secret. Returns how many places were mended."""
    return 0


def _known(events: Sequence[Mapping[str, Any]]) -> set[str]:
    return set()
