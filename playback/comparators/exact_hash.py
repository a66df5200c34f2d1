"""`exact_hash`: the same bytes.

Both files are at hand, so they are read side by side instead of being hashed: that is faster, stops at the first
difference and can say where it is.
"""

from __future__ import annotations

from pathlib import Path

from .comparison import Comparator, Comparison, counted, shared_start
from .params import Params

BLOCK = 128 << 10  # bytes; what leaves the processor's cache costs: blocks of 1 MiB take four times as long
_AROUND = 16  # bytes shown on either side of a difference


def _judge(expected: Path, actual: Path, params: Params, artifacts: Path | None) -> Comparison:
    offset = 0
    with expected.open("rb") as left, actual.open("rb") as right:
        while True:
            ours, theirs = left.read(BLOCK), right.read(BLOCK)
            if ours != theirs:
                break
            if not ours:
                return Comparison("passed", f"No difference in {counted(offset, 'byte')}.")
            offset += len(ours)
    at = shared_start(ours, theirs)
    sizes = f"the sizes are {expected.stat().st_size:,} expected, {actual.stat().st_size:,} actual"
    shown = slice(max(at - _AROUND, 0), at + _AROUND)
    return Comparison(
        "failed",
        f"The first difference is at byte {offset + at:,}: "
        f"expected {_byte(ours, at)}, actual {_byte(theirs, at)}; {sizes}.",
        [
            f"from byte {offset + shown.start:,}",
            f"expected  {ours[shown].hex(' ')}",
            f"actual    {theirs[shown].hex(' ')}",
        ],
    )


def _byte(block: bytes, at: int) -> str:
    return f"0x{block[at]:02x}" if at < len(block) else "the end of the file"


COMPARATOR = Comparator(Params, _judge, accepts_empty=True)
