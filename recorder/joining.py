"""Which recorded request a page means, when it names one by the id that it sent in `X-Recorder-Request`.

The page cannot know an operation's id, and another process may have served the request. So the ends of the logs are
looked through: what a page reports has happened moments ago.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

__all__ = ["named", "operations"]

LOOKED_AT = 2 << 20  # bytes, of the end of each file
FILES = 16  # of a log that has one for each process: those written last
_ID = re.compile(r"[\w.-]{1,64}")
_SENT = re.compile(rb'\["x-recorder-request","([\w.-]{1,64})[";]')
_OPERATION = re.compile(rb'"operation_id":"(\w{26})"')


def named(reported: object) -> str | None:
    """Return the id by which something that a page reported names its request: its member `request`."""
    given = reported.get("request") if isinstance(reported, dict) else None
    return given if isinstance(given, str) and _ID.fullmatch(given) else None


def operations(log_dirs: Iterable[Path], wanted: Collection[str]) -> dict[str, str]:
    """Return the `operation_id` of each request that was sent under one of these ids, as far as one is found."""
    found: dict[str, str] = {}
    for log_dir in dict.fromkeys(log_dirs):
        for path in _latest(log_dir):
            if len(found) == len(wanted):
                return found
            for line in _end_of(path).split(b"\n"):
                sent = _SENT.search(line)
                if sent and (name := sent[1].decode()) in wanted and (operation := _OPERATION.search(line)):
                    found[name] = operation[1].decode()
    return found


def _latest(log_dir: Path) -> list[Path]:
    paths: list[tuple[int, Path]] = []
    with suppress(OSError):
        paths = [(path.stat().st_mtime_ns, path) for path in log_dir.glob("profile.events*.jsonl")]
    return [path for _, path in sorted(paths, reverse=True)[:FILES]]


def _end_of(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LOOKED_AT))
            return file.read(LOOKED_AT)
    except OSError:
        return b""
