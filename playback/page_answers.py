"""Compares two pages: where their links and forms lead, what the forms hold and offer, their visible texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from playback.markup import Form, Page
from playback.report import Mismatch
from playback.roles import place_of
from playback.wording import clip, shape

if TYPE_CHECKING:
    from playback.answers import Comparer

__all__ = ["compare_pages", "label"]


def compare_pages(comparer: Comparer, recorded: Page, live: Page) -> None:
    """Two pages. Addresses and forms first: they tell which numbers in the text are ids."""
    comparer.shown = recorded.text
    if len(recorded.links) == len(live.links):
        for index, (was, now) in enumerate(zip(recorded.links, live.links, strict=True)):
            comparer.url(f"body:link {index + 1}", was, now)
    if len(recorded.forms) == len(live.forms):
        for index, (form, other) in enumerate(zip(recorded.forms, live.forms, strict=True)):
            _form(comparer, f"body:form {index + 1}", form, other)
    if [name for name, _ in recorded.ids] == [name for name, _ in live.ids]:
        for (name, number), (_, other_number) in zip(recorded.ids, live.ids, strict=True):
            comparer.masked.compared += 1
            role = f"column:{place_of(comparer.path)}:{name}"
            if problem := comparer.bijection.bind_number(role, number, other_number):
                comparer.differs(f"body:column {name}", number, other_number, problem)
    comparer.lines("body", recorded.text, live.text, "text")
    if len(recorded.links) != len(live.links):
        comparer.lines("body", recorded.links, live.links, "link")
    if len(recorded.forms) != len(live.forms):
        comparer.value("body:forms", len(recorded.forms), len(live.forms))
    comparer.value("body:json scripts", len(recorded.islands), len(live.islands))
    for island, other_island in zip(recorded.islands, live.islands, strict=False):
        comparer.text_body("application/json", island, other_island)


def _form(comparer: Comparer, where: str, recorded: Form, live: Form) -> None:
    comparer.value(f"{where} method", recorded.method, live.method)
    comparer.url(f"{where} action", recorded.action, live.action)
    place = place_of(recorded.action or comparer.path)
    before, after = [(f.name, f.kind) for f in recorded.fields], [(f.name, f.kind) for f in live.fields]
    if len(before) != len(after):
        comparer.value(f"{where} fields", [n for n, _ in before], [n for n, _ in after])
        return
    for was, now in zip(recorded.fields, live.fields, strict=True):
        spot = f"{where} {was.name}"
        comparer.one_name(spot, was.name, now.name, place)
        comparer.value(f"{spot} type", was.kind, now.kind)
        comparer.value(f"{spot} chosen", was.chosen, now.chosen)
        if was.label:
            _choice(comparer, spot, was.value, now.value, was.label, f"option:{place}:{was.name}")
        else:
            comparer.text(spot, was.value, now.value, was.name, f"form:{place}:{was.name}")
        if len(was.options) != len(now.options):
            comparer.value(f"{spot} options", [t for _, t, _ in was.options], [t for _, t, _ in now.options])
            continue
        for (value, said, selected), (other_value, other_said, other_selected) in zip(
            was.options, now.options, strict=True
        ):
            _choice(comparer, spot, value, other_value, said, f"option:{place}:{was.name}")
            comparer.text(spot, said, other_said)
            comparer.value(f"{spot} selected", selected, other_selected)


def _choice(comparer: Comparer, where: str, recorded: str, live: str, said: str, role: str) -> None:
    """What a choice sends: a number, alone (`17`) or in a word (`assign_17`), is an id unless the label says it."""
    build = shape(recorded)
    before, after = re.findall(r"\d+", recorded), re.findall(r"\d+", live)
    alike = len(before) == len(after) == 1 and build == shape(live)
    if not alike or before[0] in ([said] if recorded.isdigit() else re.findall(r"\d+", said)):
        comparer.text(where, recorded, live)
        return
    comparer.masked.compared += 1
    kind = role if recorded.isdigit() else f"{role}:{build}"
    if problem := comparer.bijection.bind_number(kind, before[0], after[0]):
        comparer.differs(where, recorded, live, problem)


def label(mismatches: Iterable[Mismatch], shown: Sequence[str]) -> None:
    """A number alone says little: what stands before it on the page says what it is."""
    for mismatch in mismatches:
        spot = re.fullmatch(r"body:text (\d+)", mismatch.where)
        bare = not any(map(str.isalpha, str(mismatch.expected)))
        if spot and bare and mismatch.message is None and (before := shown[: int(spot[1]) - 1]):
            # In a table, the cells back to the last that has words: those name the row.
            cells = next((n for n, text in enumerate(before[:-5:-1], 1) if any(map(str.isalpha, text))), 1)
            mismatch.message = f"after {clip(' · '.join(before[-cells:]), 60)!r}"
