"""Do the places of a profile (`{{ steps.login.token }}`) name what there is by then? Asked before anything is sent."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from assembler.profile import Profile
from playback.template import names_in

__all__ = ["broken_references"]

_ALONE = ("run_id", "config", "origin")
_NAMED = ("secrets", "generated", "env")


def broken_references(profile: Profile) -> Iterator[str]:
    """A sentence for every place that can have no value when its step is sent."""
    known: dict[str, set[str]] = {}
    for step in [*profile.prologue, *profile.steps]:
        own = {*step.extract, *(["job_id"] if step.action == "enqueue_rq" else [])}
        sent = step.model_dump(by_alias=True, exclude={"expect", "extract", "wait", "title", "note"})
        yield from (f"Step {step.id}: {s}" for name in sorted(set(names_in(sent))) if (s := _broken(name, known)))
        known[step.id] = own
        waited = step.wait.model_dump(by_alias=True) if step.wait is not None else {}
        yield from (f"Step {step.id}: {s}" for name in sorted(set(names_in(waited))) if (s := _broken(name, known)))


def _broken(name: str, known: dict[str, set[str]]) -> str | None:
    head, _, rest = name.partition(".")
    if (head in _ALONE and not rest) or (head in _NAMED and rest):
        return None
    if head != "steps":
        return f"{{{{ {name} }}}} is no name a profile knows{_nearest(head, [*_ALONE, *_NAMED, 'steps'])}"
    step, _, value = rest.rpartition(".")
    if step not in known:
        return f"{{{{ {name} }}}} names no earlier step{_nearest(step, known)}"
    if value not in known[step]:
        return f"{{{{ {name} }}}}: step {step} extracts no {value!r}{_nearest(value, known[step])}"
    return None


def _nearest(word: str, words: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(words), 1)
    return f"; did you mean {near[0]!r}?" if near else "."
