"""The conditions that end a wait: does an answer fulfil an `Until`, can it still, and what is to be shown of it."""

from __future__ import annotations

from typing import Any

from assembler.extractors import Answer, search
from assembler.profile import Until
from playback.wording import clip

__all__ = ["alike", "holds", "shown", "state_of", "stopped", "wanted"]


def holds(until: Until, answer: Answer) -> bool:
    if until.status is not None and answer.status != until.status:
        return False
    if until.contains is not None and until.contains not in (answer.text or ""):
        return False
    if until.json_ is None:
        return True
    value = search(until.json_, answer.json) if answer.json is not None else None
    if "differs" in until.model_fields_set:
        return bool(value != until.differs)
    return alike(value, until.equals)


def stopped(until: Until, answer: Answer) -> Any:
    """The state that will not change any more, or None."""
    value = state_of(until, answer)
    return (
        value
        if value is not None and (value in until.stop_on or (isinstance(value, str) and value.lower() in until.stop_on))
        else None
    )


def state_of(until: Until, answer: Answer) -> Any:
    if until.json_ is not None:
        return search(until.json_, answer.json) if answer.json is not None else f"status {answer.status}, not JSON"
    if until.status is not None:
        return answer.status
    return (
        f"status {answer.status}, {clip(answer.text.strip(), 200)!r}"
        if answer.text
        else f"status {answer.status}, no text"
    )


def shown(until: Until) -> str:
    return until.json_ or ("status" if until.status is not None else "body")


def wanted(until: Until) -> Any:
    if until.json_ is None:
        return until.status if until.status is not None else f"contains {until.contains!r}"
    return f"not {until.differs!r}" if "differs" in until.model_fields_set else until.equals


def alike(value: Any, wanted: Any) -> bool:
    if isinstance(value, str) and isinstance(wanted, str):
        return value.lower() == wanted.lower()
    return bool(value == wanted) and isinstance(value, bool) == isinstance(wanted, bool)
