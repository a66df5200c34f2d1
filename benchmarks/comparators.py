"""What comparing and cloning files costs beside the standard library's own ways.

    python benchmarks/comparators.py         some seconds; needs 600 MB of temporary space

The same work by the standard library stands beside it.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not the folder of this file: it holds another `recorder`

from benchmarks._measure import Table, in_turn, timed  # noqa: E402
from playback.clone import clone  # noqa: E402
from playback.comparators import compare  # noqa: E402

LARGE = 256 << 20  # bytes
FILES, SMALL = 2000, 4 << 10
ROUNDS = 3


def equal_files(folder: Path) -> None:
    """Two equal files: nothing can stop early."""
    table = Table(f"Seconds to find two files of {LARGE >> 20} MB equal", "filecmp", "exact_hash")
    first, second = folder / "expected.bin", folder / "actual.bin"
    block = os.urandom(1 << 20)
    first.write_bytes(block * (LARGE >> 20))
    shutil.copyfile(first, second)

    def standard() -> float:
        filecmp.clear_cache()
        return timed(lambda: filecmp.cmp(first, second, shallow=False))

    def ours() -> float:
        return timed(lambda: compare("exact_hash", first, second, {}))

    bare, found = in_turn([standard, ours], ROUNDS, min)
    table.row("exact_hash", bare, found, "s")
    first.unlink()
    second.unlink()


def many_files(folder: Path) -> None:
    """A seed as runs have them: many small files in some folders."""
    table = Table(f"Seconds to copy {FILES:,} files of {SMALL >> 10} KB", "copytree", "clone")
    seed = folder / "seed"
    for number in range(FILES):
        path = seed / f"folder{number % 20}" / f"{number}.dat"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(SMALL))

    # Each copy gets a folder of its own: where one was deleted, the next would be slower.
    def copied(copy: Callable[[Path, Path], object], name: str) -> Callable[[], float]:
        numbers = iter(range(100))
        return lambda: timed(lambda: copy(seed, folder / f"{name}{next(numbers)}"))

    bare, found = in_turn([copied(shutil.copytree, "theirs"), copied(clone, "ours")], 4 * ROUNDS, min)
    table.row("clone", bare, found, "s")


def main() -> None:
    """Measure in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="pte-bench-") as folder:
        equal_files(Path(folder))
        many_files(Path(folder))


if __name__ == "__main__":
    main()
