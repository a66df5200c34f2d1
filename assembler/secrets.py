"""Which secrets a profile needs from its user, and where they come from.

`{{ secrets.X }}` reads PROFILE_SECRET_X. Where the recorded user equals ADMIN_EMAIL, or the profile replays as the
administrator, the password falls back to ADMIN_PASSWORD.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from assembler.profile import Profile, Step

__all__ = ["needed", "resolve"]

_USE = re.compile(r"\{\{\s*secrets\.([A-Za-z0-9_]+)\s*\}\}")


def needed(profile: Profile) -> list[str]:
    """The environment variables the profile's secrets are read from, sorted."""
    return sorted({f"PROFILE_SECRET_{name}" for step in [*profile.prologue, *profile.steps] for name in _names(step)})


def resolve(profile: Profile, environ: Mapping[str, str]) -> dict[str, str]:
    """Name (without prefix) to value, for every secret that the environment has."""
    found: dict[str, str] = {}
    for step in [*profile.prologue, *profile.steps]:
        for name in _names(step):
            if (value := environ.get(f"PROFILE_SECRET_{name}")) is not None:
                found[name] = value
            elif (
                name not in found
                and name.startswith("PASS")
                and environ.get("ADMIN_PASSWORD")
                and _is_admin(step, profile, environ)
            ):
                found[name] = environ["ADMIN_PASSWORD"]
    return found


def _names(step: Step) -> Iterator[str]:
    for text in _texts(step.model_dump(exclude={"expect", "extract", "title", "note"})):
        yield from _USE.findall(text)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for inner in value.values() if isinstance(value, dict) else value:
            if inner is not None:
                yield from _texts(inner)


def _is_admin(step: Step, profile: Profile, environ: Mapping[str, str]) -> bool:
    admin = environ.get("ADMIN_EMAIL")
    return admin is not None and (
        profile.metadata.login == "admin"
        or any(admin in text for text in _texts([step.form or [], step.json_ or "", step.headers]))
    )
