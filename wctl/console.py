"""Where the command line writes: answers for machines and lists on stdout, everything said to a person on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from playback.jsontext import dumps
from playback.summary import visible

__all__ = ["Refusal", "answer", "answer_json", "refusing", "say", "screen", "without_password"]

COLOURS = {"PASSED": "green", "FAILED": "red", "ERROR": "yellow", "INTERRUPTED": "yellow"}


class Refusal(Exception):
    """A command that cannot be carried out; the message is a sentence that says what to change."""


@contextlib.contextmanager
def refusing(*kinds: type[Exception]) -> Iterator[None]:
    """Turn these errors, whose messages are sentences, into a Refusal."""
    try:
        yield
    except kinds as error:
        raise Refusal(str(error.args[0]) if error.args else type(error).__name__) from error


def screen() -> Console:
    """The terminal behind stderr, or whatever it was turned to."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Tell a person: to stderr, in plain text but for the colour of a verdict at its beginning."""
    console = screen()
    for line in text.splitlines() or [""]:
        shown = Text(visible(line))
        first = line.partition(" ")[0]
        if first in COLOURS:
            shown.stylize(f"bold {COLOURS[first]}", 0, len(first))
        console.print(shown)


def answer(line: str) -> None:
    """One line of the answer: to stdout."""
    sys.stdout.write(visible(line) + "\n")


def answer_json(document: Any) -> None:
    """The answer for machines: to stdout."""
    sys.stdout.write(dumps(document, indent=2) + "\n")
    sys.stdout.flush()


def without_password(url: str) -> str:
    """A URL as it may be shown: the user and password in it left out."""
    before, at, after = url.rpartition("@")
    return f"{before.partition('://')[0]}://…@{after}" if at else url
