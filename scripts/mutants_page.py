"""What became of the mutants (scripts/mutants.py) as a page of the documentation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mutants import Judged

__all__ = ["page"]

LONGEST = 110
"""Characters of what a report says."""

TOP = """# Mistakes in the sample application

Operators, comparisons, conditions, numbers, statements left out, done twice or in another order: {drawn} changes, drawn at random
from every module of `examples/watershed` that a request or a job runs. The application is started with one of them at a time, and
`profiles/watershed-small` is replayed. Written by `{command}`.

{counts}

## How the place is checked

A changed place tells each time it is run. A step that is named must be one during which the place was run, by the request or by
a job it started, or come after one; a file that is named must have been written after the place was first run. The column *ran*
says which it was: `here`, the first step that ran it, or `start` for what is run once, when the application starts. That nothing
is blamed too late cannot be worked out like this; for that there is the column *the report says*, read by a person.
"""

FAILED = "## Noticed\n"
SURVIVED = """
## Not noticed

Each was looked at: nothing that was recorded can show it. The reasons are kept in `scripts/survivors.toml`; the script fails
when there is one that has none.
"""
UNJUDGED = """
## Red, without a verdict

Exit code 2. An application that does not believe a login any more looks like one that is given a wrong password.
"""
APART = """
## Not counted

Nothing that was recorded runs the place, so no replay could tell; or the application does not start with it.
"""


def page(every: Sequence[Judged], command: str) -> str:
    """The page in Markdown: all mutants by what became of them."""
    kinds = {kind: [one for one in every if one.kind == kind] for kind in dict.fromkeys(one.kind for one in every)}
    failed, survived, unjudged = (kinds.get(kind, []) for kind in ("failed", "survived", "error"))
    words = [
        f"- **{len(failed)} failed**, {sum(not one.right for one in failed)} of them at a wrong place",
        f"- {len(survived)} survived, {sum(not one.reason for one in survived)} of them unexplained",
        *([f"- {len(unjudged)} red without a verdict"] if unjudged else []),
        f"- {len(kinds.get('never run', []))} at places that nothing recorded runs",
        f"- {len(kinds.get('does not start', []))} with which the application does not start",
    ]
    return "\n".join(
        [
            TOP.format(command=command, drawn=len(every), counts="\n".join(words)),
            FAILED,
            *_table(("place", "line", "change", "failed at", "the report says", "ran"), map(_failed, _sorted(failed))),
            SURVIVED,
            *_table(("place", "line", "change", "why"), map(_survived, _sorted(survived))),
            *([UNJUDGED] if unjudged else []),
            *_table(("place", "line", "change", "the report says"), map(_unjudged, _sorted(unjudged))),
            APART,
            *(f"- {kind}: {_counted(kinds[kind])}" for kind in ("never run", "does not start") if kind in kinds),
            "",
        ]
    )


def _sorted(some: Iterable[Judged]) -> list[Judged]:
    return sorted(some, key=lambda one: (one.module, one.mutation.line, one.mutation.column, one.mutation.what))


def _failed(one: Judged) -> list[str]:
    ran = "here" if one.where in one.ran else next(iter(one.ran), "never")
    return [*_place(one), f"`{one.where}`", _cut(one.difference), ran]


def _survived(one: Judged) -> list[str]:
    return [*_place(one), one.reason]


def _unjudged(one: Judged) -> list[str]:
    return [*_place(one), one.difference]


def _place(one: Judged) -> list[str]:
    what, colon, _ = one.mutation.what.partition(": ")  # what is left out or done twice is the line
    return [
        f"{one.module}:{one.mutation.line}:{one.mutation.column}",
        f"`{one.mutation.text}`",
        what if colon else one.mutation.what,
    ]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _counted(some: Iterable[Judged]) -> str:
    counts = Counter(one.module for one in some)
    return ", ".join(f"{module} {count}" for module, count in sorted(counts.items()))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    lines = [[_cell(cell) for cell in row] for row in rows]
    if lines:
        yield from (f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *lines))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;") if "`" not in text else text.replace("|", "\\|")
