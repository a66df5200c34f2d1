"""How the demo tells what it does: numbered chapters, lines with the seconds since it began, a table at the end.

Plain lines, so that they read the same on a terminal and in a CI log.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from demo_interrupts import Interrupts

__all__ = ["Story", "fingerprint"]


class Story:
    """Prints as it goes, unless somebody wants it to end. `row` adds a line to the closing table."""

    def __init__(self, interrupts: Interrupts) -> None:
        self.interrupts = interrupts
        self.began = time.monotonic()
        self.chapters = 0
        self.rows: list[tuple[str, str, str]] = []

    def say(self, text: str) -> None:
        """Something outside all chapters."""
        print(text, flush=True)

    def chapter(self, title: str) -> None:
        """Begin the next chapter."""
        self.interrupts.check()
        self.chapters += 1
        self.say(f"\n{self.chapters}. {title}")

    def line(self, text: str) -> None:
        """Something that has just happened."""
        self.interrupts.check()
        self.say(f"{time.monotonic() - self.began:7.1f} s  {text}")

    def quote(self, text: str) -> None:
        """A line that another program said."""
        self.say(f"           | {text}".rstrip())

    def row(self, what: str, outcome: str, seconds: float | None = None) -> None:
        """Remember a line of the closing table."""
        self.rows.append((what, outcome, "" if seconds is None else f"{seconds:.2f} s"))

    def table(self) -> None:
        """Print what became of everything."""
        rows = [*self.rows, ("all of it", "as it should be", f"{time.monotonic() - self.began:.2f} s")]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        rule = "-" * (sum(widths) + 4)
        self.say(f"\n{rule}")
        for what, outcome, seconds in rows:
            self.say(f"{what:<{widths[0]}}  {outcome:<{widths[1]}}  {seconds:>{widths[2]}}".rstrip())
        self.say(rule)


def fingerprint(folder: Path) -> str:
    """Number of files below `folder` and one SHA-256 over their names, times of change and contents."""
    total, files = hashlib.sha256(), 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(folder)}\0{path.stat().st_mtime_ns}\0{content}\n".encode())
        files += 1
    return f"{files} files, sha256 {total.hexdigest()[:16]}"
