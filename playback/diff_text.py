"""A diff of two recordings for people: plain lines, or Markdown for a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from playback.diff import Change, Diff
from playback.summary import visible

__all__ = ["markdown", "text"]

_SIGNS = {"added": "+", "removed": "-", "changed": "~", "moved": ">"}


def text(found: Diff) -> Iterator[str]:
    """The diff as lines."""
    yield f"{found.slug}: {found.old} → {found.new}: {_counted(found)}"
    yield from (f"  {visible(line)}" for line in found.profile)
    for title, changes in _parts(found):
        yield f"{title}:"
        for change in changes:
            yield f"  {_SIGNS[change.change]} {visible(change.name)}{_behind(change)}"
            yield from (f"      {visible(line)}" for line in change.details)


def markdown(found: Diff) -> str:
    """The diff as Markdown, to paste into a pull request."""
    lines = [f"### `{found.slug}`: {found.old} → {found.new}", "", f"{_counted(found).capitalize()}.", ""]
    lines += [f"- {_code(line)}" for line in found.profile] + ([""] if found.profile else [])
    for title, changes in _parts(found):
        lines += [f"#### {title}", ""]
        for change in changes:
            title_of = f" `{_ticked(change.title)}`" if change.title else ""
            lines.append(f"- {change.change} **{_escaped(change.name)}**{title_of}")
            lines += [f"  - {_code(line.strip())}" for line in change.details]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _parts(found: Diff) -> Iterator[tuple[str, Sequence[Change]]]:
    for title, changes in (("Steps", found.steps), ("Files", found.comparisons), ("Ignore rules", found.ignore)):
        if changes:
            yield title, changes


def _counted(found: Diff) -> str:
    if not found:
        return f"no change in {found.unchanged} steps"
    counts = []
    for what, changes in (("step", found.steps), ("file", found.comparisons), ("rule", found.ignore)):
        for kind in _SIGNS:
            number = sum(change.change == kind for change in changes)
            if number:
                counts.append(f"{number} {what}{'s' if number > 1 else ''} {kind}")
    return ", ".join([*counts, f"{found.unchanged} steps unchanged"])


def _behind(change: Change) -> str:
    return f": {visible(change.title)}" if change.title else ""


def _code(line: str) -> str:
    """`what: a → b` with its values as code, so that nothing in them is taken for Markdown."""
    what, colon, rest = line.partition(": ")
    return f"{_escaped(what)}: `{_ticked(rest)}`" if colon else _escaped(line)


def _ticked(value: str) -> str:
    return visible(value).replace("`", "ˋ")


def _escaped(value: str) -> str:
    return re.sub(r"[\\`*\[\]<>#|]|(?<!\w)_|_(?!\w)", lambda m: f"\\{m[0]}", visible(value))
