"""A comparison that cannot fail is worthless: change any single value of a recorded answer, and it must turn red.

Exempt is only what has to differ from run to run: ids of jobs and times. The answers are those of the sample profile.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assembler.sources import json_leaves
from playback.answers import Comparer
from playback.bijection import Bijection, Moment
from tests.support import ROOT

ANSWERS = ROOT / "profiles/watershed-small/baseline/answers"
VARYING = {"job_id", "id", "started_at", "ended_at", "modified", "finished_at"}
NOW = 1795171266.0


def differs(media_type: str, recorded: str, live: str) -> bool:
    comparer = Comparer(Bijection(set), Moment(NOW, NOW + 5), "step")
    comparer.text_body(media_type, recorded, live)
    comparer.settle()
    return bool(comparer.mismatches)


def other(value: Any) -> Any:
    """A value of the same type that is not this one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return value[:-1] + ("1" if value[-1:] != "1" else "2")
    return "something"


def mutated(document: Any) -> Iterator[tuple[list[Any], Any]]:
    """Copies of a JSON document, each with one leaf changed."""
    for path, leaf in json_leaves(document):
        if path and path[-1] not in VARYING:
            changed = copy.deepcopy(document)
            place = changed
            for part in path[:-1]:
                place = place[part]
            place[path[-1]] = other(leaf)
            yield path, changed


@pytest.mark.parametrize("path", sorted(ANSWERS.glob("*.json")), ids=lambda p: p.stem)
def test_any_json_value(path: Path) -> None:
    text = path.read_text()
    assert not differs("application/json", text, text)
    for place, changed in mutated(json.loads(text)):
        assert differs("application/json", text, json.dumps(changed)), place


@pytest.mark.parametrize("path", sorted([*ANSWERS.glob("*.html"), *ANSWERS.glob("*.csv")]), ids=lambda p: p.stem)
def test_any_number_that_is_shown(path: Path) -> None:
    text = path.read_text()
    media_type = {".html": "text/html", ".csv": "text/csv"}[path.suffix]
    assert not differs(media_type, text, text)
    shown = re.sub(r"(?s)<(svg|script|style).*?</\1>", lambda m: " " * len(m.group()), text)
    for match in re.finditer(r"(?<=[>\s,])\d+(?:\.\d+)?(?=[<\s,])", shown):
        changed = text[: match.start()] + other(match.group()) + text[match.end() :]
        assert differs(media_type, text, changed), text[max(0, match.start() - 40) : match.end() + 20]


def test_a_row_more_or_less() -> None:
    text = next(iter(sorted(ANSWERS.glob("*.csv")))).read_text()
    lines = text.splitlines(keepends=True)
    assert differs("text/csv", text, "".join(lines[:-1]))
    assert differs("text/csv", text, "".join([*lines, lines[-1]]))
    assert differs("text/csv", text, "".join([lines[0], *reversed(lines[1:])]))
