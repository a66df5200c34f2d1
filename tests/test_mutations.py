"""The mistakes that the sample profile is measured with: real changes, at places that tell when they are run."""

from __future__ import annotations

import tomllib
from pathlib import Path

from scripts.mutations import mutations
from tests.examples.watershed_site import WATERSHED
from tests.support import ROOT

SOURCE = '''
"""A module."""

from __future__ import annotations


def total(numbers: list[int] | None, log: list[str]) -> int:
    found = 0
    for number in numbers or []:
        if number > 2:
            found = found + number
    log.append("begun")
    log.append("ended")
    return found
'''


def behaviour(source: str) -> tuple[object, ...]:
    names: dict[str, object] = {}
    try:
        exec(compile(source, "module", "exec"), names)
        log: list[str] = []
        return names["total"]([1, 2, 3, 4], log), log  # type: ignore[operator]
    except Exception as error:
        return (type(error).__name__,)


def test_each_is_one_change_that_is_seen(tmp_path: Path) -> None:
    reached = tmp_path / "reached"
    found = {(m.line, m.column, m.what): m.source for m in mutations(SOURCE, str(reached))}
    changed = {place: behaviour(source) for place, source in found.items()}
    assert {what for *_, what in found} == {
        "0 → 1", "2 → 3", "Gt → GtE", "Add → Sub", "Or → And", "condition negated", "returns nothing",
        "left out: log.append('begun')", "done twice: log.append('begun')", "after the next statement: log.append('begun')",
        "left out: log.append('ended')", "done twice: log.append('ended')",
    }  # fmt: skip
    same = behaviour(SOURCE)
    assert {what for (*_, what), result in changed.items() if result == same} == set()
    assert changed[12, 5, "after the next statement: log.append('begun')"] == (7, ["ended", "begun"])


def test_a_place_tells_each_time_it_is_run(tmp_path: Path) -> None:
    reached = tmp_path / "reached"
    runs = {}
    for mutation in mutations(SOURCE, str(reached)):
        reached.unlink(missing_ok=True)
        behaviour(mutation.source)
        runs[mutation.what] = len(reached.read_text().splitlines())
    assert (runs["Gt → GtE"], runs["Add → Sub"], runs["returns nothing"]) == (4, 2, 1)


def test_every_reason_is_for_a_change_that_can_be_made() -> None:
    document = tomllib.loads((ROOT / "scripts" / "survivors.toml").read_text(encoding="utf-8"))
    modules = {each["module"] for each in document["survivor"]}
    made = {(name, m.text, m.what) for name in modules for m in mutations((WATERSHED / name).read_text(), "reached")}
    told = {(each["module"], each["line"], what) for each in document["survivor"] for what in each["mutations"]}
    assert told <= made
