"""The page of the events: what the code says of them (names, stages, versions), with the meanings of `event_table`."""

from __future__ import annotations

from typing import get_args

from event_table import CATEGORIES, ENVELOPE, KINDS, SEALED, Keys
from pages import GENERATED, Undescribed, row, table

from assembler import soundness
from recorder.events import VERSION, Category, envelope

__all__ = ["events_page"]


def events_page() -> str:
    """Every key of an event. Raises Undescribed where the code and the table differ."""
    _same("the keys of an event", set(envelope("system_log", None, {})), {key for key, _, _ in ENVELOPE})
    _same("the categories", set(get_args(Category)), set(CATEGORIES))
    page = (
        f"# Events\n\n{GENERATED}\n\nOne JSON object a record, version {VERSION}. How records are framed, where they lie and how bodies "
        "are described is in [formats](../formats.md). Every key but the last is always there.\n\n"
    )
    page += _keys((*ENVELOPE, SEALED))
    for category, groups in CATEGORIES.items():
        stages = {stage for group, _, _ in groups for stage in group}
        _same(f"the stages of {category}", set(soundness._STAGES[category]), stages)
        page += f"\n## {category}\n"
        for group, said, keys in groups:
            named = ", ".join(f"`{stage}`" for stage in group if stage)
            page += f"\n{f'Stage {named}. ' if named and keys else ''}{said}\n"
            page += f"\n{_keys(keys)}" if keys else ""
            required = soundness._PAYLOADS.get((category, group == ("started",)), {})
            if missing := required.keys() - {key for key, _, _ in keys}:
                raise Undescribed(f"scripts/event_table.py says nothing of {', '.join(sorted(missing))} of {category}.")
    if missing := soundness._KINDS.keys() - KINDS:
        raise Undescribed(f"scripts/event_table.py says nothing of system_log {', '.join(sorted(missing))}.")
    page += "\n" + table("kind", "keys", "means") + "".join(row(f"`{kind}`", *said) for kind, said in KINDS.items())
    return page


def _keys(keys: Keys) -> str:
    return table("key", "type", "meaning") + "".join(row(f"`{key}`", kind, meaning) for key, kind, meaning in keys)


def _same(what: str, written: set[str | None] | set[str], described: set[str | None] | set[str]) -> None:
    if differing := written ^ described:
        named = ", ".join(sorted(map(str, differing)))
        raise Undescribed(f"scripts/event_table.py and the code differ on {what}: {named}.")
