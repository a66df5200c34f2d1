"""The whole product in one run: record a workflow, replay it twice, break the application, see it caught.

    make demo                      or: python examples/demo.py [--keep DIR] [--save profiles/<slug>]

Everything happens in a folder and on ports of its own, with real programs (demo_site.py) and a client that behaves like
a browser (demo_browser.py, demo_workflow.py). Exit code 0 only if all went as it should: the replays of the unchanged
application passed, the replay of the broken one failed, the recorded run was not touched, and nothing is left behind.
"""

from __future__ import annotations

import argparse
import contextlib
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from demo_browser import UnexpectedAnswer
from demo_chapters import Chapters, Unexpected
from demo_interrupts import Interrupts
from demo_site import Site, StartError
from demo_story import Story

from playback.redis_server import RedisNotFound

SLUG = "watershed-small"
FAILED, INTERRUPTED = 1, 130


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; returns 0 when all went as it should, 1 when not, 130 after Ctrl-C."""
    chosen = _parse(arguments)
    interrupts = Interrupts()
    story = Story(interrupts)
    site: Site | None = None
    folder = chosen.keep or Path(tempfile.gettempdir(), f"pte-demo-{secrets.token_hex(4)}")
    with interrupts.caught():
        try:
            story.say("Record a workflow of a web application, replay it, break the application, see it caught.")
            with _made(folder, interrupts, keep=bool(chosen.keep)), Site(folder, interrupts) as site:
                Chapters(site, story, chosen.save.name if chosen.save else SLUG).tell()
                if chosen.save:
                    _save(site.data_root / "profiles" / chosen.save.name, chosen.save)
                interrupts.check()
            status = 0
        except (Unexpected, UnexpectedAnswer, StartError, RedisNotFound) as error:
            story.say(f"\nNOT AS EXPECTED: {error}")
            status = FAILED
        except KeyboardInterrupt:
            story.say("\nInterrupted.")
            status = INTERRUPTED
    programs = site.programs if site else []
    running = [program for program in programs if program.poll() is None]
    if running or (folder.exists() and not chosen.keep):
        story.say(f"\nNOT CLEANED UP: {len(running)} of {len(programs)} programs run on; look at {folder}")
        return FAILED
    ended = f"{len(programs)} programs stopped, " + (
        f"all files are in {folder}" if chosen.keep else f"{folder} removed"
    )
    if status == 0:
        story.row("afterwards", ended)
        story.table()
        _where_next(folder if chosen.keep else None)
    else:
        story.say(f"{ended[0].upper()}{ended[1:]}.")
    return status


@contextlib.contextmanager
def _made(folder: Path, interrupts: Interrupts, *, keep: bool) -> Iterator[None]:
    """The folder of this demo alone, which is gone afterwards unless it is to be kept."""
    try:
        folder.mkdir(mode=0o700, parents=True)
        yield
    finally:
        if not keep:
            with interrupts.held():
                shutil.rmtree(folder, ignore_errors=True)


def _save(profile: Path, target: Path) -> None:
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(profile, target)


def _where_next(kept: Path | None) -> None:
    """What a reader may want to see now."""
    print("\nWhere to look next")
    if kept:
        print(f"  {kept}/data/profiles/{SLUG}/profile.yaml\n      what was recorded, step by step")
        print(f"  {kept}/data/profiles/results/{SLUG}/\n      the three reports, the last with its diagnostics")
    else:
        print('  make demo ARGS="--keep DIR"      the same, with all files left in DIR')
    print(f"  profiles/{SLUG}/        such a profile; its README.md says what is in it")
    print("  examples/watershed/README.md     the application, and how to run it yourself")
    print("  README.md                        how to record an application of your own")


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Record a workflow, replay it, break the application, see it caught.")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="work in DIR, a new folder, and leave everything there"
    )
    parser.add_argument("--save", type=Path, metavar="DIR", help="put the profile there when all went well")
    chosen = parser.parse_args(arguments)
    if chosen.keep:
        chosen.keep = chosen.keep.absolute()
        if chosen.keep.exists():
            parser.error(f"{chosen.keep} exists already; choose another folder.")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
