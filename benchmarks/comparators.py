"""What comparing and cloning files costs beside the standard library's own ways.

    python benchmarks/comparators.py         about two minutes; needs 16 GB of temporary space, and says so if it is short

The same work by the standard library stands beside it, in turns. Every copy gets a folder of its own and all of them go
at the end: where one was deleted, ext4 makes the next one several times slower.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not the folder of this file: it holds another `recorder`

from benchmarks._measure import Table, in_turn, loaded, timed  # noqa: E402
from playback.clone import clone  # noqa: E402
from playback.comparators import compare  # noqa: E402

LARGE = 1 << 30  # bytes
COMPARED_LIMIT = 0.50  # of what filecmp takes
# Files, bytes of each, rounds, and the limit, of what copytree takes: 2 GB, and the small files that runs have many of.
SEEDS: tuple[tuple[int, int, int, float | None], ...] = ((10_000, 200_000, 3, 0.50), (10_000, 4_000, 8, None))
ROUNDS = 7
SPARE = 2e9  # bytes that are left to the others on this disk


def equal_files(folder: Path) -> bool:
    """Two equal files: nothing can stop early. Returns whether the limit is kept."""
    table = Table(f"Seconds to find two files of {LARGE >> 20:,} MiB equal", "filecmp", "exact_hash")
    first, second = folder / "expected.bin", folder / "actual.bin"
    with first.open("wb") as file:
        for _ in range(LARGE >> 20):
            file.write(os.urandom(1 << 20))
    shutil.copyfile(first, second)

    def standard() -> None:
        filecmp.clear_cache()
        assert filecmp.cmp(first, second, shallow=False)

    def ours() -> None:
        assert compare("exact_hash", first, second, {}).result == "passed"

    for what, clock in (("by the clock", time.perf_counter), ("of the processor", time.process_time)):
        bare, found = in_turn([partial(timed, standard, clock), partial(timed, ours, clock)], ROUNDS, min)
        table.row(what, bare, found, "s", f"must be {COMPARED_LIMIT:.2f} or less")
    return found <= COMPARED_LIMIT * bare  # by the processor's time: what else the machine does counts little in it


def many_files(folder: Path, files: int, size: int, rounds: int, limit: float | None) -> bool:
    """A seed as runs have them, in some folders. Returns whether the limit is kept."""
    table = Table(f"Seconds to copy {files:,} files, {files * size / 1e9:.2f} GB", "copytree", "clone")
    seed = folder / "seed"
    for number in range(files):
        path = seed / f"folder{number % 20}" / f"{number}.dat"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))

    def copied(copy: Callable[[Path, Path], object], name: str) -> Callable[[], float]:
        numbers = iter(range(100))

        def once() -> float:
            os.sync()  # what the one before left to be written is not this one's
            return timed(lambda: copy(seed, folder / f"{name}{next(numbers)}"))

        return once

    bare, found = in_turn([copied(shutil.copytree, "theirs"), copied(clone, "ours")], rounds, min)
    table.row("clone", bare, found, "s", f"must be {limit:.2f} or less" if limit else "")
    return limit is None or found <= limit * bare


def main() -> int:
    """Measure in a folder of its own; returns 1 where a limit is not kept."""
    needed = 2 * LARGE + sum(files * max(size, 4096) * (1 + 2 * rounds) for files, size, rounds, _ in SEEDS) + SPARE
    with tempfile.TemporaryDirectory(prefix="pte-bench-") as folder:
        free = shutil.disk_usage(folder).free
        if free < needed:
            print(f"not measured: {free / 1e9:.0f} GB are free here and {needed / 1e9:.0f} GB are needed; set TMPDIR")
            return 1
        print(loaded())
        kept = [equal_files(Path(folder))]
        for number, (files, size, rounds, limit) in enumerate(SEEDS):
            (Path(folder) / str(number)).mkdir()
            kept.append(many_files(Path(folder) / str(number), files, size, rounds, limit))
        print(f"\n{loaded()}")
    return int(not all(kept))


if __name__ == "__main__":
    sys.exit(main())
