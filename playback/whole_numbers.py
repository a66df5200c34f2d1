"""Settings that are whole numbers, read from the environment."""

from __future__ import annotations

from collections.abc import Mapping

from playback.errors import PlaybackError

__all__ = ["BadSetting", "whole_number"]


class BadSetting(PlaybackError):
    """A setting holds what it cannot hold."""


def whole_number(environ: Mapping[str, str], name: str, default: int, least: int = 0) -> int:
    """The setting `name`; `default` when it is empty or not set. Raises BadSetting for anything below `least`."""
    given = environ.get(name, "").strip()
    if not given:
        return default
    if not (given.isascii() and given.isdecimal() and len(given) < 10 and int(given) >= least):
        raise BadSetting(f"{name} is {given!r}; set it to a whole number from {least} on, such as {default}.")
    return int(given)
