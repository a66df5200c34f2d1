"""The command line. Parses, calls, renders; what it calls lives in `assembler` and `playback`.

The entry point imports nothing of the `playback` extra by itself: the recorder's own install brings this command
too, and says in one sentence what is missing.
"""

from __future__ import annotations

import sys

__all__ = ["main"]

OURS = ("assembler", "playback", "recorder", "wctl")


def main() -> None:
    """Run `wctl`. Exit codes: 0 passed or done, 1 a replay failed, 2 an error or wrong usage."""
    try:
        from wctl.cli import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in OURS:
            raise
        print("wctl needs more than the recorder: pip install 'profile-test-engine[playback]'", file=sys.stderr)
        sys.exit(2)
    sys.exit(run())
