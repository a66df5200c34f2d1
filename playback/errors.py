"""Why a replay did not begin or could not be judged. Each message is a sentence for a person.

PlaybackError
├── UnknownProfile   no such profile                      404, exit 2
├── BadProfile       it cannot be replayed as it stands   422, exit 2
├── TargetRefused    it would reach a forbidden place     409, exit 2
└── Unjudgeable      nothing was compared                 verdict `error`, exit 2
"""

from __future__ import annotations

__all__ = ["BadProfile", "PlaybackError", "TargetRefused", "Unjudgeable", "UnknownProfile"]


class PlaybackError(Exception):
    """A replay that has no verdict on the application's behaviour."""


class UnknownProfile(PlaybackError):
    """The slug names no promoted profile."""


class BadProfile(PlaybackError):
    """The profile, its seed or its baseline is not fit for a replay."""


class TargetRefused(PlaybackError):
    """The target is not on the allow-list, or is a production system."""


class Unjudgeable(PlaybackError):
    """The target, a worker, a login or a secret was missing before anything could be compared."""
