"""The tree as git knows it: what the tests about the whole source read."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support import ROOT

PACKAGES = ("recorder", "assembler", "playback", "wctl")
"""In the order in which they may import: each only itself and those before it."""


def tracked(*patterns: str) -> list[Path]:
    """Files under version control that exist, as absolute paths; in a tree without git, all that are not hidden."""
    listed = subprocess.run(["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    found = [path for pattern in patterns or ("*",) for path in ROOT.rglob(pattern) if path.is_file()]
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)]


def python_files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))
