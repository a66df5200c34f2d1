"""`text_diff`: the same lines, line ends included.

    params:
      ignore_lines: ['^Started at ', 'elapsed: \\d+ ms']   # lines that match are left out on both sides

Lines are read as UTF-8; bytes that are not UTF-8 are kept apart, so old Latin-1 logs compare as well.
"""

from __future__ import annotations

import difflib
import re
from collections import deque
from collections.abc import Iterator
from itertools import chain, islice, zip_longest
from pathlib import Path

from pydantic import Field

from .comparison import Comparator, Comparison, counted, excerpt, shared_start
from .params import Params

_CONTEXT = 3  # lines before a difference
_WINDOW = 200  # lines from the first difference on that are held and diffed; difflib is quadratic at worst
_SHOWN = 40  # lines of the diff in the report

_Line = tuple[int, str]  # its number in the file, from 1, and its text with its line end


class TextParams(Params):
    """Which lines count."""

    ignore_lines: list[re.Pattern[str]] = Field(default=[], description="a list of valid regular expressions")


def _judge(expected: Path, actual: Path, params: TextParams, artifacts: Path | None) -> Comparison:
    left, right = _lines(expected, params.ignore_lines), _lines(actual, params.ignore_lines)
    before: deque[_Line] = deque(maxlen=_CONTEXT)
    compared = 0
    for ours, theirs in zip_longest(left, right):
        if ours is None or theirs is None or ours[1] != theirs[1]:
            details = _diff(
                [*before, *islice(chain([ours] if ours else [], left), _WINDOW)],
                [*before, *islice(chain([theirs] if theirs else [], right), _WINDOW)],
            )
            return Comparison("failed", _sentence(ours, theirs), details)
        before.append(ours)
        compared += 1
    return Comparison("passed", f"No difference in {counted(compared, 'compared line')}.")


def _lines(path: Path, ignored: list[re.Pattern[str]]) -> Iterator[_Line]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        for number, line in enumerate(file, 1):
            if not any(regex.search(line.rstrip("\r\n")) for regex in ignored):
                yield number, line


def _sentence(expected: _Line | None, actual: _Line | None) -> str:
    if actual is None and expected is not None:
        return f"The actual text ends before line {expected[0]:,} of the expected: {_quoted(expected[1])}."
    if expected is None and actual is not None:
        return f"The actual text goes on after the expected ends, at line {actual[0]:,}: {_quoted(actual[1])}."
    assert expected is not None
    assert actual is not None
    where = f"Line {actual[0]:,} differs"
    if expected[1].rstrip("\r\n") == actual[1].rstrip("\r\n"):
        return f"{where} in its line end: expected {_line_end(expected[1])}, actual {_line_end(actual[1])}."
    start = shared_start(expected[1], actual[1])
    # A minified page is one line: show the place, not its beginning.
    before, after = (_quoted(line[max(start - 40, 0) :]) for _, line in (expected, actual))
    return f"{where} from character {start + 1:,}: expected {before}, actual {after}."


def _line_end(line: str) -> str:
    names = {"\r\n": "CRLF", "\n": "LF", "\r": "CR", "": "none (the file ends)"}
    return names[line[len(line.rstrip("\r\n")) :]]


def _quoted(line: str) -> str:
    return "‘" + excerpt(line.rstrip("\r\n")) + "’"


def _diff(expected: list[_Line], actual: list[_Line]) -> list[str]:
    lines = difflib.unified_diff(
        [_visible(line) for _, line in expected],
        [_visible(line) for _, line in actual],
        "expected",
        "actual",
        f"from line {expected[0][0]:,}" if expected else "",
        f"from line {actual[0][0]:,}" if actual else "",
        lineterm="",
    )
    return list(islice(lines, _SHOWN))


def _visible(line: str) -> str:
    ended = line.endswith(("\n", "\r"))
    return excerpt(line.removesuffix("\n"), 200) + ("" if ended else "  (no line end)")


COMPARATOR = Comparator(TextParams, _judge, accepts_empty=True)
