"""What is shown of replays while they go: a bar each on a terminal, a line for every finished step elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from playback.progress import line, position
from playback.summary import visible
from wctl.console import say, screen

__all__ = ["Listener", "watching"]

Listener = Callable[[dict[str, Any]], None]


@contextlib.contextmanager
def watching(verbose: bool) -> Iterator[Callable[[str], Listener]]:
    """Yield what gives the listener of a profile's replay. `verbose` tells every event, on a terminal too."""
    console = screen()
    if not console.is_terminal:
        yield lambda slug: lambda event: _tell(slug, event, verbose, say)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        yield lambda slug: _bar(bars, slug, verbose)


def _tell(slug: str, event: dict[str, Any], verbose: bool, tell: Callable[[str], None]) -> None:
    if verbose or event.get("event") == "step_finished":
        tell(f"{slug}: {line(event)}")


def _bar(bars: Progress, slug: str, verbose: bool) -> Listener:
    """A bar that shows where the replay is, and goes with its last step."""
    task = bars.add_task(slug, total=None)

    def listen(event: dict[str, Any]) -> None:
        step = f"  {visible(str(event['id']))}" if event.get("id") else ""
        if place := position(event):
            bars.update(task, completed=place[0], total=place[1])
        bars.update(task, description=Text(slug + step).markup, visible=event.get("event") != "run_finished")
        if verbose:
            _tell(slug, event, verbose, lambda text: bars.console.print(Text(visible(text))))

    return listen
